"use strict";
// The headphone test of Milne et al. 2021 (doi:10.3758/s13428-020-01514-0): which of three noises has a faint tone? The tone,
// Huggins pitch, is in the difference between the ears only: over loudspeakers, where the ears get both channels, it is gone.
(() => {
  const { element, text, button, show, paragraphs } = vcbench;
  const [SECONDS, GAP, RAMP] = [1, 0.5, 0.05];
  const [CENTRE, HALF_BAND] = [600, 0.06]; // Hz, and its share on both sides; the phase of this band is turned by 180 degrees
  const TRIALS = 6; // all must be right: by chance one in 729
  const ATTEMPTS = 2;

  function gaussian() {
    const [first, second] = crypto.getRandomValues(new Uint32Array(2));
    return Math.sqrt(-2 * Math.log((first + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * second) / 2 ** 32);
  }

  /** White noise for both ears, [left, right], with deviation `level`; with a Huggins pitch or without. */
  vcbench.noise = (rate, tone, level) => {
    const length = Math.round(SECONDS * rate);
    const left = Float64Array.from({ length }, () => level * gaussian());
    const right = left.slice();
    const [low, high] = [CENTRE * (1 - HALF_BAND), CENTRE * (1 + HALF_BAND)].map((hertz) => Math.round((hertz * length) / rate));
    for (let bin = low; tone && bin <= high; bin++) {
      const turn = (2 * Math.PI * bin) / length;
      let [real, imaginary] = [0, 0];
      for (let index = 0; index < length; index++) {
        real += left[index] * Math.cos(turn * index);
        imaginary += left[index] * Math.sin(turn * index);
      }
      for (let index = 0; index < length; index++) { // twice the component is taken away: its sign is turned
        right[index] -= (4 / length) * (real * Math.cos(turn * index) + imaginary * Math.sin(turn * index));
      }
    }
    for (let index = 0; index < RAMP * rate; index++) {
      const gain = Math.sin((Math.PI / 2) * (index / (RAMP * rate))) ** 2;
      for (const ear of [left, right]) {
        ear[index] *= gain;
        ear[length - 1 - index] *= gain;
      }
    }
    return [left, right];
  };

  /** A buffer of noises with gaps between them; `place` is the one with the tone, from 0. */
  vcbench.noises = (context, count, place, level) => {
    const { sampleRate: rate } = context;
    const step = Math.round((SECONDS + GAP) * rate);
    const buffer = context.createBuffer(2, step * (count - 1) + Math.round(SECONDS * rate), rate);
    for (let index = 0; index < count; index++) {
      vcbench.noise(rate, index === place, level).forEach((ear, channel) => {
        buffer.copyToChannel(Float32Array.from(ear), channel, index * step);
      });
    }
    return buffer;
  };

  /** As loud as the clips: white noise in both channels is 5.6 LU above its RMS in dBFS (ITU-R BS.1770-5). */
  const level = (app) => 10 ** (((app.data.manifest.loudness ?? -26) - 5.6) / 20);

  function player(app, clips, changed) {
    app.context ??= new AudioContext();
    app.player = new vcbench.Player(app.context, false);
    const buttons = clips.map(({ code, name, buffer, known }) => {
      app.player.add(code, buffer, known);
      return new vcbench.ClipButton(app.player, code, name);
    });
    app.player.changed = (code) => {
      buttons[clips.findIndex((clip) => clip.code === code)].update();
      changed();
    };
    return element("div", { class: "clips" }, ...buttons.map((one) => one.element));
  }

  vcbench.pages.headphones = (app) => {
    const state = (app.session.state.headphones ??= { attempts: 1, right: 0, number: 0 });
    if (state.number === 0) return introduce(app, state);
    if (state.number <= TRIALS) return trial(app, state);
    return conclude(app, state);
  };

  function introduce(app, state) {
    app.context ??= new AudioContext();
    const examples = [["tone", 0], ["plain", -1]].map(([code, place]) => ({
      code, name: text(`headphones.example.${code}`), buffer: vcbench.noises(app.context, 1, place, level(app)),
      known: { plays: 0, heard: false },
    }));
    const begin = () => {
      state.number = 1;
      if (app.save()) app.render();
    };
    const again = state.attempts > 1 ? paragraphs(text("headphones.again")) : [];
    show(
      text("headphones.heading"), ...again, ...paragraphs(text("headphones.text", { total: TRIALS })),
      player(app, examples, () => {}), button("headphones.begin", begin),
    );
  }

  function trial(app, state) {
    app.context ??= new AudioContext();
    const place = crypto.getRandomValues(new Uint32Array(1))[0] % 3;
    const known = { plays: 0, heard: false };
    const buffer = vcbench.noises(app.context, 3, place, level(app));
    let chosen = null;
    const control = new vcbench.Choices(
      text("headphones.question"), [0, 1, 2].map((index) => [`noise${index}`, text(`headphones.choice.${index + 1}`)]), null,
      () => known.heard, (value) => { chosen = value; vcbench.recheck(); },
    );
    const lacking = () => (!known.heard ? text("headphones.missing.heard") : chosen === null ? text("missing.answer") : null);
    const proceed = () => {
      if (lacking() !== null) {
        vcbench.complain(lacking);
        return control.focus();
      }
      state.right += chosen === `noise${place}` ? 1 : 0;
      state.number += 1;
      return app.save() && app.render();
    };
    const clips = [{ code: "noises", name: text("headphones.noises"), buffer, known }];
    const row = player(app, clips, () => { control.update(); vcbench.recheck(); });
    show(text("headphones.progress", { number: state.number, total: TRIALS }), row, control.element, button("continue", proceed));
  }

  /** Passed, once more, or failed: then the server says whether the participant may go on. */
  async function conclude(app, state) {
    if (state.right < TRIALS && state.attempts < ATTEMPTS) {
      Object.assign(state, { attempts: state.attempts + 1, right: 0, number: 0 });
      return app.save() && app.render();
    }
    app.session.state.tested = { attempts: state.attempts, right: state.right, trials: TRIALS };
    if (!app.save()) return null;
    if (await vcbench.report(app)) return app.stopped() ? null : app.next();
    return show(text("arrive.heading"), element("p", {}, text("arrive.offline")), button("load.retry", app.render));
  }
})();
