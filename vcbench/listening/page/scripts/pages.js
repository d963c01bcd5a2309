"use strict";
// One function per kind of step. `app` has the session, `save()`, `next()` and `load(clips, together)`.
(() => {
  const { element, text, button, show, announce, complain, recheck, paragraphs } = vcbench;

  function consent(app) {
    const box = element("input", { type: "checkbox", id: "agree", onchange: recheck });
    const agreed = () => {
      if (!box.checked) {
        complain(() => (box.checked ? null : text(vcbench.crowd ? "consent.missing.crowd" : "consent.missing")));
        box.focus();
        return;
      }
      app.session.state.consented = new Date().toISOString();
      app.next();
    };
    const words = paragraphs(app.data.consent ?? text("consent.template"));
    const label = element("label", { class: "agree" }, box, element("span", {}, text("consent.agree")));
    show(text("consent.heading"), element("div", { class: "prose" }, ...words), label, button("continue", agreed));
  }

  function hearing(app) {
    show(text("hearing.heading"), ...paragraphs(text("hearing.text")), button("continue", () => app.next()));
  }

  async function volume(app) {
    const code = app.data.manifest.volume;
    const name = text("clip.volume");
    const known = { plays: 0, heard: false };
    const player = await app.load([{ code, name, known }], false);
    if (!player) return;
    const clip = new vcbench.ClipButton(player, code, name);
    player.changed = () => {
      clip.update();
      recheck();
    };
    const proceed = () => {
      if (known.heard) app.next();
      else complain(() => (known.heard ? null : text("volume.missing")));
    };
    show(text("volume.heading"), ...paragraphs(text("volume.text")), clip.element, button("continue", proceed));
  }

  function instructions(app) {
    const { test, answer } = app.data.manifest;
    const keyboard = text(answer === "sliders" ? "instructions.keyboard.mushra" : "instructions.keyboard");
    const practice = app.session.training.length ? [text("instructions.practice")] : [];
    const parts = [text(`${test}.instruction`), ...practice, keyboard];
    show(text("instructions.heading"), ...parts.flatMap(paragraphs), button("continue", () => app.next()));
  }

  function begin(app) {
    const words = text("begin.text", { total: app.session.rated.length });
    show(text("begin.heading"), ...paragraphs(words), button("continue", () => app.next()));
  }

  async function rating(app) {
    const { data, session } = app;
    const { answer } = data.manifest;
    const { page, order } = session.step;
    const names = vcbench.clipNames(data.manifest, order);
    const { reference } = data.manifest.pages.find(({ id }) => id === page);
    const clips = order.map((code, index) => ({ code, name: names[index], known: session.clip(page, code) }));
    if (reference) {
      const name = vcbench.referenceName(data.manifest);
      clips.unshift({ code: reference, name, known: session.reference(page) });
    }
    if (!app.save()) return;
    const player = await app.load(clips, answer === "sliders");
    if (!player) return;
    const buttons = new Map(clips.map(({ code, name }) => [code, new vcbench.ClipButton(player, code, name)]));
    const forms = { sliders: () => sliders(app, player, clips, buttons), "best-worst": () => vcbench.bestWorst(app, clips, buttons, unheard) };
    const form = (forms[answer] ?? (() => choices(app, clips, buttons)))();
    const announced = new Set(clips.filter(({ known }) => known.heard).map(({ code }) => code));
    player.changed = (code) => {
      buttons.get(code).update();
      const { name, known } = clips.find((clip) => clip.code === code);
      if (known.heard && !announced.has(code)) {
        announced.add(code);
        const all = announced.size === clips.length;
        announce([text("heard.announce", { clip: name }), all ? text("ready") : ""].join(" "));
        form.update();
        app.save();
      }
    };
    const proceed = () => (form.complete() ? app.next() : form.complain());
    show(heading(app), ...form.elements, button("continue", proceed));
    if (announced.size < clips.length) announce(text(answer === "sliders" ? "locked.mushra" : "locked"));
  }

  function heading(app) {
    const { training, number } = app.session.step;
    const total = (training ? app.session.training : app.session.rated).length;
    return text(training ? "practice.progress" : "progress", { number, total });
  }

  function unheard(clips) {
    const left = clips.filter(({ known }) => !known.heard);
    return left.length ? text("missing.heard", { clips: left.map(({ name }) => name).join(", ") }) : null;
  }

  /** Categories, choices and comparisons: the listener plays all clips, then chooses one answer. */
  function choices(app, clips, buttons) {
    const { test } = app.data.manifest;
    const { page, order } = app.session.step;
    const known = order.map((code) => app.session.clip(page, code));
    const offered = vcbench.offers(app.data.manifest);
    const chosen = offered.find(({ ratings }) => ratings.every((value, place) => value === known[place].rating));
    const control = new vcbench.Choices(
      text(`${test}.question`), offered.map(({ value, label }) => [value, label]), chosen?.value,
      () => clips.every((clip) => clip.known.heard),
      (value) => {
        const { ratings } = offered.find((offer) => offer.value === value);
        order.forEach((code, place) => app.session.rate(page, code, ratings[place]));
        app.save();
        recheck();
      },
    );
    const complete = () => known.every((clip) => clip.rating !== null);
    const row = element("div", { class: "clips" }, ...clips.map(({ code }) => buttons.get(code).element));
    return {
      elements: [row, control.element],
      update: () => control.update(),
      complete,
      complain: () => {
        complain(() => unheard(clips) ?? (complete() ? null : text("missing.answer")));
        control.focus();
      },
    };
  }

  /** MUSHRA: a slider per clip, unlocked after it and the reference were played fully. */
  function sliders(app, player, clips, buttons) {
    const { page } = app.session.step;
    const [reference, ...rated] = clips;
    const controls = rated.map(({ code, name, known }) => new vcbench.Slider(
      name, known.rating,
      () => known.heard && reference.known.heard,
      (value) => {
        app.session.rate(page, code, value);
        app.save();
        recheck();
      },
      () => player.play(code),
    ));
    const rows = rated.map(({ code }, index) => element(
      "div", { class: "row" }, buttons.get(code).element, controls[index].input, controls[index].output,
    ));
    const marks = [10, 30, 50, 70, 90].map((value) => element("span", {}, text(`mushra.scale.${value}`)));
    const scale = element("div", { class: "row scale", "aria-hidden": "true" }, element("span"), element("div", { class: "marks" }, ...marks));
    const question = element("p", { class: "question" }, text(`${app.data.manifest.name}.question`));
    const open = () => rated.filter(({ known }) => known.rating === null);
    const unrated = () => (open().length ? text("missing.rating", { clips: open().map(({ name }) => name).join(", ") }) : null);
    return {
      elements: [question, buttons.get(reference.code).element, element("div", { class: "sliders" }, scale, ...rows)],
      update: () => controls.forEach((control) => control.update()),
      complete: () => open().length === 0,
      complain: () => {
        complain(() => unheard(clips) ?? unrated());
        controls[rated.indexOf(open()[0])].focus();
      },
    };
  }

  vcbench.pages = { consent, hearing, volume, instructions, begin, rating };
})();
