"use strict";
// The headphone test of a crowd: an introduction with examples, trials, and what follows. `headphone_sounds.js` has both tests.
(() => {
  const { element, text, button, show, paragraphs } = vcbench;
  const ATTEMPTS = 2;

  const testOf = (app) => vcbench.headphoneTests[app.session.state.checks.headphones];
  const say = (app, key, values) => text(`headphones.${app.session.state.checks.headphones}.${key}`, values);

  /** As loud as the clips. */
  const level = (app) => 10 ** (((app.data.manifest.loudness ?? -26) - testOf(app).loudness) / 20);

  /** In random order. */
  function shuffled(kinds) {
    const left = [...kinds];
    return kinds.map(() => left.splice(crypto.getRandomValues(new Uint32Array(1))[0] % left.length, 1)[0]);
  }

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
    if (state.number <= testOf(app).trials) return trial(app, state);
    return conclude(app, state);
  };

  function introduce(app, state) {
    app.context ??= new AudioContext();
    const test = testOf(app);
    const examples = test.examples.map((kind) => ({
      code: kind, name: say(app, `example.${kind}`), buffer: vcbench.intervals(app.context, test, [kind], level(app)),
      known: { plays: 0, heard: false },
    }));
    const begin = () => {
      state.number = 1;
      if (app.save()) app.render();
    };
    const again = state.attempts > 1 ? paragraphs(text("headphones.again")) : [];
    show(
      text("headphones.heading"), ...again, ...paragraphs(say(app, "text", { total: test.trials })),
      player(app, examples, () => {}), button("headphones.begin", begin),
    );
  }

  function trial(app, state) {
    app.context ??= new AudioContext();
    const test = testOf(app);
    const kinds = shuffled(test.kinds);
    const place = kinds.indexOf(test.kinds[0]);
    const known = { plays: 0, heard: false };
    const buffer = vcbench.intervals(app.context, test, kinds, level(app));
    let chosen = null;
    const control = new vcbench.Choices(
      say(app, "question"), [0, 1, 2].map((index) => [`interval${index}`, say(app, `choice.${index + 1}`)]), null,
      () => known.heard, (value) => { chosen = value; vcbench.recheck(); },
    );
    const lacking = () => (!known.heard ? say(app, "missing") : chosen === null ? text("missing.answer") : null);
    const proceed = () => {
      if (lacking() !== null) {
        vcbench.complain(lacking);
        return control.focus();
      }
      state.right += chosen === `interval${place}` ? 1 : 0;
      state.number += 1;
      return app.save() && app.render();
    };
    const clips = [{ code: "intervals", name: say(app, "sounds"), buffer, known }];
    const row = player(app, clips, () => { control.update(); vcbench.recheck(); });
    show(text("headphones.progress", { number: state.number, total: test.trials }), row, control.element, button("continue", proceed));
  }

  /** Passed, once more, or failed: then the server says whether the participant may go on. */
  async function conclude(app, state) {
    if (state.right < testOf(app).needed && state.attempts < ATTEMPTS) {
      Object.assign(state, { attempts: state.attempts + 1, right: 0, number: 0 });
      return app.save() && app.render();
    }
    app.session.state.tested = { attempts: state.attempts, right: state.right, trials: testOf(app).trials };
    if (!app.save()) return null;
    if (await vcbench.report(app)) return app.stopped() ? null : app.next();
    return show(text("arrive.heading"), element("p", {}, text("arrive.offline")), button("load.retry", app.render));
  }
})();
