// Plays recorded episodes: a picture, a slider, the action and caption, and the rewards of each step with running sums.
(() => {
  "use strict";
  const CELL = 34, SPEED = 160;
  const COLOR = { red: "#d43c3c", green: "#2f9e44", blue: "#2f6fd4", purple: "#8e44ad", yellow: "#d9a800", grey: "#80868c" };
  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, kind, text) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const number = (value) => (value === 0 ? "0" : Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3)));

  function object(pen, kind, color, state, x, y, size) {
    pen.save();
    pen.translate(x * CELL + CELL / 2, y * CELL + CELL / 2);
    pen.scale(size, size);
    pen.fillStyle = pen.strokeStyle = COLOR[color] || color || "#888";
    pen.lineWidth = 3;
    if (kind === "goal") pen.fillRect(-CELL / 2 + 1, -CELL / 2 + 1, CELL - 2, CELL - 2);
    else if (kind === "door") {
      pen.strokeRect(-13, -13, 26, 26);
      if (state === "locked") pen.fillRect(-10, -10, 20, 20);
      if (state === "open") { pen.clearRect(-11, -11, 22, 22); pen.fillRect(-13, -13, 5, 26); }
      else { pen.fillStyle = state === "locked" ? "#111" : pen.strokeStyle; pen.beginPath(); pen.arc(7, 0, 3, 0, 7); pen.fill(); }
    } else if (kind === "key") {
      pen.beginPath(); pen.arc(0, -7, 5, 0, 7); pen.stroke();
      pen.fillRect(-1.5, -2, 3, 14); pen.fillRect(0, 7, 6, 3); pen.fillRect(0, 2, 5, 3);
    } else if (kind === "ball") { pen.beginPath(); pen.arc(0, 0, 10, 0, 7); pen.fill(); }
    else if (kind === "box") { pen.strokeRect(-10, -10, 20, 20); pen.fillRect(-10, -2, 20, 3); }
    else { pen.fillRect(-9, -9, 18, 18); }
    pen.restore();
  }

  function grid(canvas, picture, objects, state) {
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#f3f3ef";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = "#d5d5cf";
    for (let x = 0; x <= picture.width; x++) { pen.beginPath(); pen.moveTo(x * CELL, 0); pen.lineTo(x * CELL, canvas.height); pen.stroke(); }
    for (let y = 0; y <= picture.height; y++) { pen.beginPath(); pen.moveTo(0, y * CELL); pen.lineTo(canvas.width, y * CELL); pen.stroke(); }
    pen.fillStyle = "#565b61";
    for (const [x, y] of picture.walls) pen.fillRect(x * CELL, y * CELL, CELL, CELL);
    pen.fillStyle = "#ff7b29";
    for (const [x, y] of picture.lava) pen.fillRect(x * CELL, y * CELL, CELL, CELL);
    for (const [kind, color, x, y, how] of objects) object(pen, kind, color, how, x, y, 1);
    const [x, y, facing, held] = state;
    pen.save();
    pen.translate(x * CELL + CELL / 2, y * CELL + CELL / 2);
    pen.rotate((facing * Math.PI) / 2);
    pen.fillStyle = "#c8102e";
    pen.beginPath(); pen.moveTo(13, 0); pen.lineTo(-10, -10); pen.lineTo(-10, 10); pen.closePath(); pen.fill();
    pen.restore();
    if (held) object(pen, held[0], held[1], null, x, y, 0.5);
  }

  // The picture of an episode: an element, and a function that shows state k of the shown ones (0 is the start).
  function pictured(episode) {
    const picture = episode.picture;
    if (picture && picture.kind === "grid") {
      const canvas = make("canvas");
      canvas.width = picture.width * CELL;
      canvas.height = picture.height * CELL;
      canvas.setAttribute("role", "img");
      const objects = [];
      picture.states.forEach((state, k) => objects.push(state[4] || objects[k - 1] || []));
      return [canvas, (k) => grid(canvas, picture, objects[k], picture.states[k])];
    }
    if (picture && picture.kind === "images") {
      const image = make("img");
      image.alt = "the environment";
      const steps = [0, ...episode.at.map((t) => t + 1)];
      const types = ["image/webp", "image/png", "image/jpeg"];
      return [image, (k) => {
        let at = 0;
        picture.at.forEach((state, n) => { if (state <= steps[k]) at = n; });
        if (types.includes(picture.type) && /^[A-Za-z0-9+/=]*$/.test(picture.images[at])) image.src = `data:${picture.type};base64,${picture.images[at]}`;
      }];
    }
    return [make("p", "quiet", "This task draws no pictures."), () => {}];
  }

  function bar(value, most) {
    const drawn = document.createElementNS(SVG, "svg");
    drawn.setAttribute("viewBox", "-50 0 100 12");
    drawn.setAttribute("preserveAspectRatio", "none");
    drawn.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS(SVG, "rect");
    const width = most ? (50 * Math.abs(value)) / most : 0;
    rect.setAttribute("x", value < 0 ? -width : 0);
    rect.setAttribute("width", width);
    rect.setAttribute("height", 12);
    rect.setAttribute("class", value < 0 ? "down" : "up");
    drawn.append(rect);
    return drawn;
  }

  // Values of each step with their sums from the episode's start, by name.
  function rewards(episode) {
    const named = [];
    for (const [name, values] of Object.entries(episode.components)) named.push([name, values]);
    for (const [name, values] of Object.entries(episode.channels)) named.push([`${name} (paid)`, values]);
    if (!Object.keys(episode.channels).includes("env")) named.push(["environment", episode.env]);
    return named.map(([name, values]) => {
      let sum = 0;
      const sums = values.map((value) => (sum += value));
      return { name, values, sums, most: values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) };
    });
  }

  function marks(episode) {
    const box = make("div", "marks");
    const drawn = document.createElementNS(SVG, "svg");
    drawn.setAttribute("viewBox", `0 0 ${episode.at.length + 1} 8`);
    drawn.setAttribute("preserveAspectRatio", "none");
    drawn.setAttribute("aria-hidden", "true");
    const changed = new Set(episode.memory || []);
    episode.at.forEach((t, k) => {
      if (!changed.has(t)) return;
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("x", k + 0.7);
      rect.setAttribute("width", 0.6);
      rect.setAttribute("height", 8);
      drawn.append(rect);
    });
    box.append(drawn);
    return box;
  }

  function play(root, episode) {
    const [picture, show] = pictured(episode);
    const table = rewards(episode), changed = new Set(episode.memory || []);
    const stage = make("div", "stage"), side = make("div", "side");
    const step = make("p", "step"), caption = make("p", "caption");
    const bars = make("table", "bars"), slider = make("input");
    slider.type = "range"; slider.min = 0; slider.max = episode.at.length; slider.value = 0;
    slider.setAttribute("aria-label", "step of the episode");
    const controls = make("div", "controls"), back = make("button", "", "<"), go = make("button", "", "play"), next = make("button", "", ">");
    back.setAttribute("aria-label", "one step back");
    next.setAttribute("aria-label", "one step on");
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; go.textContent = "play"; };
    const at = (k) => {
      k = Math.max(0, Math.min(episode.at.length, k));
      slider.value = k;
      show(k);
      const t = k ? episode.at[k - 1] : -1, skipped = k > 1 ? t - episode.at[k - 2] - 1 : 0;
      step.textContent = k ? `Step ${t + 1} of ${episode.length}: ${episode.actions[k - 1]}` : `The start, ${episode.length} steps`;
      if (skipped) step.append(` (${skipped} steps are not shown)`);
      if (changed.has(t)) step.append(make("span", "changed", " memory changed"));
      caption.textContent = episode.captions[k];
      bars.replaceChildren(...table.map(({ name, values, sums, most }) => {
        const row = make("tr"), value = k ? values[t] : 0, cell = make("td");
        cell.append(bar(value, most));
        row.append(make("td", "", name), cell, make("td", "number", number(value)), make("td", "number", `sum ${number(k ? sums[t] : 0)}`));
        return row;
      }));
      if (k >= episode.at.length) stop();
    };
    go.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(slider.value) >= episode.at.length) at(0);
      go.textContent = "pause";
      timer = setInterval(() => at(Number(slider.value) + 1), SPEED);
    });
    back.addEventListener("click", () => at(Number(slider.value) - 1));
    next.addEventListener("click", () => at(Number(slider.value) + 1));
    slider.addEventListener("input", () => at(Number(slider.value)));
    controls.append(back, go, next, make("span", "quiet", episode.success ? "solved" : "not solved"));
    side.append(step, caption, bars);
    const left = make("div");
    left.append(picture, slider, marks(episode), controls);
    stage.append(left, side);
    root.replaceChildren(stage);
    at(0);
    return stop;
  }

  function start(root, episodes) {
    root.replaceChildren();
    if (!episodes.length) { root.append(make("p", "quiet", "No episode is recorded.")); return; }
    const label = make("label", "", "episode "), choice = make("select"), stage = make("div");
    episodes.forEach((episode, k) => {
      const option = make("option", "", `${episode.candidate}: ${episode.title}`);
      option.value = k;
      choice.append(option);
    });
    label.append(choice);
    root.append(label, stage);
    let stop = play(stage, episodes[0]);
    choice.addEventListener("change", () => { stop(); stop = play(stage, episodes[Number(choice.value)]); });
    root.dataset.ready = String(episodes.length);
  }

  async function load(root) {
    const inline = root.dataset.inline && document.getElementById(root.dataset.inline);
    if (inline) { start(root, JSON.parse(inline.textContent)); return; }
    const answer = await fetch(root.dataset.player);
    if (answer.ok) start(root, await answer.json());
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-player], [data-inline]").forEach((root) => void load(root)));
})();
