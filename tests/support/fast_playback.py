"""Web Audio whose time runs faster than the clock: a script for a page, run before the page's own.

Everything a page reads and sets is in the faster seconds (currentTime, when a source starts, gains at a time), so that it
plays, ends and counts as it does in real time. Times of the wall clock, as of setInterval, stay as they are.
"""

from __future__ import annotations

# Times as fast. A block of 128 samples is then 23 ms of a clip, which is less than what the page lets its clock miss.
SPEED = 8

SCRIPT = f"""(() => {{
  const speed = {SPEED};
  const clock = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "currentTime").get;
  Object.defineProperty(BaseAudioContext.prototype, "currentTime", {{ get() {{ return clock.call(this) * speed; }} }});
  const {{ start }} = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (when = 0) {{
    this.playbackRate.value = speed;
    start.call(this, when / speed);
  }};
  for (const name of ["setValueAtTime", "linearRampToValueAtTime", "cancelScheduledValues"]) {{
    const schedule = AudioParam.prototype[name];
    AudioParam.prototype[name] = function (...values) {{
      const time = values.pop();
      return schedule.call(this, ...values, time / speed);
    }};
  }}
}})();"""
