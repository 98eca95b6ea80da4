"""Design a reward for a task from Python, look at the result, export it.

The designer is `synth`, which composes programs by rules. Give `model="gpt-4o"`, or another id of litellm, for a
language model; its key is read from the environment, such as OPENAI_API_KEY.
"""

from __future__ import annotations

from typing import Any

import rewardsmith


def main(folder: str = "exported", **settings: Any) -> rewardsmith.JobResult:
    """Run the job and export its best reward to `folder`; `settings` are arguments of `rewardsmith.design`."""
    result = rewardsmith.design("MiniGrid-DoorKey-5x5-v0", **{"iterations": 1, "samples": 2, "confirm": 4, **settings})

    print(f"job {result.job_id}: {result.state}")
    for row in result.to_records():
        print(f"  {row['id']}  {row['state']}  success {row['success']}  {row['note']}")

    if result.claim is not None:
        best, baseline = result.claim.best, result.claim.baseline
        print(f"success on fresh seeds: {best.mean:.1%}; sparse baseline: {baseline.mean:.1%}; {result.claim.verdict}")

    # The curves are plain rows: pandas.DataFrame(result.to_records("curves")) makes a table of them.
    last = [row for row in result.to_records("curves") if row["candidate"] == result.best][-1]
    print(f"last evaluation: {last['success']:.1%} after {last['steps']:,} environment steps")

    written = rewardsmith.export(result.job_id, folder, force=True, home=settings.get("home"))
    print(f"exported to {written.folder}: {', '.join(path.name for path in written.files)}")
    return result


if __name__ == "__main__":
    main()
