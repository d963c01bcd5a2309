"use strict";
// Plays the clips of a page. Together (MUSHRA): all loop in sync and one is audible; else one clip plays at a time.
(() => {
  const FADE = 0.005; // seconds, out and then in (BS.1534-3: no cross-fade)
  const TOLERANCE = 0.03; // seconds at both ends that the clock may miss
  const TICK = 40; // ms

  /** The parts of a clip that were played, as merged spans in seconds. */
  vcbench.Coverage = class {
    constructor() {
      this.spans = [];
    }

    add(from, to) {
      const apart = this.spans.filter(([start, end]) => end < from - TOLERANCE || start > to + TOLERANCE);
      const touching = this.spans.filter((span) => !apart.includes(span));
      const starts = touching.map(([start]) => start);
      const ends = touching.map(([, end]) => end);
      this.spans = [...apart, [Math.min(from, ...starts), Math.max(to, ...ends)]];
    }

    covers(duration) {
      return this.spans.some(([start, end]) => start <= TOLERANCE && end >= duration - TOLERANCE);
    }
  };

  vcbench.Player = class {
    /** `changed(code)` is called when a clip starts, stops or was played fully, and at every tick while it plays. */
    constructor(context, together, changed = () => {}) {
      Object.assign(this, { context, together, changed, clips: new Map(), active: null, timer: null });
    }

    /** Add a decoded clip; `known` records its playback: {plays, heard}. */
    add(code, buffer, known) {
      this.clips.set(code, { buffer, known, coverage: new vcbench.Coverage(), source: null, gain: null });
    }

    toggle(code) {
      if (this.active === code) this.stop();
      else this.play(code);
    }

    play(code) {
      if (this.active === code) return;
      this.context.resume();
      if (this.together && this.active !== null) this.switchTo(code);
      else this.start(code);
      this.clips.get(code).known.plays += 1;
      this.changed(code);
    }

    start(code) {
      this.stop();
      this.origin = this.context.currentTime + 0.01;
      this.marked = 0;
      for (const [name, clip] of this.clips) if (this.together || name === code) this.launch(clip, name === code);
      this.active = code;
      this.timer = setInterval(() => this.mark(), TICK);
      const { source } = this.clips.get(code);
      source.onended = () => {
        if (this.clips.get(code).source === source) this.stop();
      };
    }

    launch(clip, audible) {
      clip.gain = new GainNode(this.context, { gain: audible ? 1 : 0 });
      clip.source = new AudioBufferSourceNode(this.context, { buffer: clip.buffer, loop: this.together });
      clip.source.connect(clip.gain).connect(this.context.destination);
      clip.source.start(this.origin);
    }

    switchTo(code) {
      this.mark();
      const now = this.context.currentTime;
      const [before, after] = [this.clips.get(this.active).gain.gain, this.clips.get(code).gain.gain];
      before.cancelScheduledValues(now).setValueAtTime(1, now).linearRampToValueAtTime(0, now + FADE);
      after.cancelScheduledValues(now).setValueAtTime(0, now + FADE).linearRampToValueAtTime(1, now + 2 * FADE);
      const previous = this.active;
      this.active = code;
      this.changed(previous);
    }

    stop() {
      if (this.active === null) return;
      this.mark();
      clearInterval(this.timer);
      const stopped = this.active;
      this.active = null;
      for (const clip of this.clips.values()) {
        clip.source?.stop();
        clip.source = null;
      }
      this.changed(stopped);
    }

    /** Position in the clip that is playing, in seconds. */
    position() {
      const { duration } = this.clips.get(this.active).buffer;
      const elapsed = Math.max(this.context.currentTime - this.origin, 0);
      return this.together ? elapsed % duration : Math.min(elapsed, duration);
    }

    /** Record what was played since the last call. */
    mark() {
      const clip = this.clips.get(this.active);
      const position = this.position();
      if (position < this.marked) {
        clip.coverage.add(this.marked, clip.buffer.duration);
        this.marked = 0;
      }
      clip.coverage.add(this.marked, position);
      this.marked = position;
      clip.known.heard ||= clip.coverage.covers(clip.buffer.duration);
      this.changed(this.active);
    }
  };

  const waiting = new Map(); // code -> callback that takes the bytes of the clip

  /** Called by a clip's script. */
  vcbench.receive = (code, content) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    waiting.get(code)?.(bytes.buffer);
  };

  /** The samples of a clip, from its script: the only way that works both from file:// and from a server. */
  vcbench.loadClip = async (context, code) => {
    const script = vcbench.element("script", { src: `clips/${code}.js` });
    try {
      const content = await new Promise((resolve, reject) => {
        waiting.set(code, resolve);
        script.onload = () => reject(new Error(`clips/${code}.js contains no clip`)); // without effect if it was received
        script.onerror = () => reject(new Error(`clips/${code}.js was not found`));
        document.head.append(script);
      });
      return await context.decodeAudioData(content);
    } finally {
      waiting.delete(code);
      script.remove();
    }
  };
})();
