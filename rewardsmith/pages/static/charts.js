// Draws learning curves with uPlot from the JSON of the server, and draws them again when the job has changed.
(() => {
  "use strict";
  const COLORS = ["--c0", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7"];
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function aligned(lines) {
    const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
    const columns = lines.map((line) => {
      const known = new Map(line.steps.map((step, k) => [step, line.values[k]]));
      return steps.map((step) => (known.has(step) ? known.get(step) : null));
    });
    return [steps, ...columns];
  }

  function options(told, width) {
    const ink = color("--ink"), rule = color("--rule");
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 } };
    return {
      width, height: 300,
      scales: { x: { time: false }, y: told.percent ? { range: [0, 1] } : {} },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((t) => (t ? `${t / 1000}k` : "0")) },
        { ...axis, size: 60, values: (_, ticks) => ticks.map((t) => (told.percent ? `${Math.round(100 * t)} %` : t)) },
      ],
      series: [
        { label: "environment steps" },
        ...told.lines.map((line) => ({
          label: line.name, stroke: color(COLORS[line.color % COLORS.length]), width: line.thin ? 1 : 2.5,
          alpha: line.thin ? 0.5 : 1, spanGaps: true, points: { show: !line.thin },
          value: (_, v) => (v === null || v === undefined ? "-" : told.percent ? `${(100 * v).toFixed(1)} %` : v.toPrecision(4)),
        })),
      ],
    };
  }

  async function draw(figure) {
    const answer = await fetch(figure.dataset.chart);
    if (!answer.ok) return;
    const told = await answer.json();
    figure.replaceChildren();
    if (!told.lines.length) {
      const note = document.createElement("p");
      note.className = "note";
      note.textContent = "There is no curve to draw yet.";
      figure.append(note);
      return;
    }
    const width = Math.max(260, figure.clientWidth || 640);
    figure.plot = new uPlot(options(told, width), aligned(told.lines), figure);
    figure.dataset.drawn = String(told.lines.length);
  }

  const figures = () => document.querySelectorAll("[data-chart]");
  const all = () => figures().forEach((figure) => void draw(figure));
  document.addEventListener("DOMContentLoaded", all);
  let waiting = null;
  document.addEventListener("changed", () => {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; all(); }, 500);
  }, true);
  addEventListener("resize", () => figures().forEach((f) => f.plot && f.plot.setSize({ width: Math.max(260, f.clientWidth), height: 300 })));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
})();
