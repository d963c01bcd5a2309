"use strict";
// The flow: ask for the listener, then go step by step; every change is saved before the next.
(() => {
  const { element, text, button, show, announce } = vcbench;
  const { data } = vcbench;
  const asked = new URLSearchParams(location.search);
  const total = Object.keys(data.sheets).length;

  const app = {
    data,
    session: null,
    context: null,
    player: null,
    gone: false, // to another tab

    /** Save the session; warn at once if that fails. */
    save() {
      const outcome = store.save(app.session.state);
      if (outcome === "taken") taken();
      warn(outcome === "full");
      return outcome !== "taken";
    },

    next() {
      app.session.state.step += 1;
      if (!app.save()) return;
      if (app.session.step.view !== "finish") vcbench.report(app); // which sends by itself
      app.render();
    },

    /** The server wants no more of this participant. */
    stop(reply) {
      app.session.state.stopped = { ending: reply.ending };
      if (app.save()) app.render();
    },

    stopped: () => Boolean(app.session.state.stopped),

    async render() {
      const { session } = app;
      app.player?.stop();
      app.player = null;
      showPlace(session);
      if (app.stopped()) return vcbench.pages.stopped(app, session.state.stopped);
      try {
        await vcbench.pages[session.step.view](app);
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        show(text("load.heading"), element("p", {}, text("load.text", { clip: error.message })), button("load.retry", app.render));
      }
    },

    /** A player of clips {code, name, known}, decoded; null if another tab has taken over meanwhile, or the server has stopped the session. */
    async load(clips, together) {
      const waiting = setTimeout(() => announce(text("loading")), 300);
      app.context ??= new AudioContext();
      app.session.state.device = { rate: app.context.sampleRate, channels: app.context.destination.maxChannelCount };
      const player = new vcbench.Player(app.context, together);
      try {
        for (const { code, name, known } of clips) {
          const buffer = await vcbench.loadClip(app.context, code).catch((error) => {
            throw new LoadError(`${name} (${error.message})`);
          });
          player.add(code, buffer, known);
        }
      } finally {
        clearTimeout(waiting);
      }
      app.player = app.gone || app.stopped() ? null : player; // the page that says so stays
      return app.player;
    },

    release() {
      store.release();
      location.href = location.pathname;
    },

    languageMenu,
    open,
  };

  class LoadError extends Error {}

  function taken() {
    app.gone = true;
    app.player?.stop();
    show(text("tab.heading"), element("p", {}, text("tab.text")), button("tab.take", () => location.reload()));
  }

  function warn(full) {
    const place = document.getElementById("warning");
    window.onbeforeunload = full ? (event) => event.preventDefault() : null;
    if (!full) place.replaceChildren();
    if (!full || place.childElementCount) return;
    place.append(
      element("h2", {}, text("storage.heading")),
      element("p", {}, text("storage.text")),
      element(
        "div", { class: "buttons" },
        button("storage.retry", () => app.save(), "secondary"),
        button("storage.download", () => vcbench.download(app.session), "secondary"),
      ),
    );
  }

  function showPlace(session) {
    const { step } = session;
    const bar = document.getElementById("progress");
    bar.hidden = false;
    bar.value = session.state.step / (session.steps.length - 1);
    document.getElementById("place").textContent = step.training ? text("practice") : text(`${data.manifest.test}.name`);
  }

  function start() {
    const input = element("input", {
      id: "listener", inputmode: "numeric", autocomplete: "off", "aria-describedby": "hint", required: true,
      value: asked.get("listener") ?? "", oninput: () => { mark(); vcbench.recheck(); },
    });
    const right = () => input.value.trim() !== "" && Boolean(data.sheets[Number(input.value)]);
    const mark = () => { if (right()) input.removeAttribute("aria-invalid"); };
    const begin = (event) => {
      event.preventDefault();
      if (right()) return open(Number(input.value));
      input.setAttribute("aria-invalid", "true");
      vcbench.complain(() => (right() ? null : text("start.wrong", { total })));
      input.focus();
    };
    show(
      text("start.heading"), ...vcbench.paragraphs(text("start.text")), languageMenu(start),
      element(
        "form", { onsubmit: begin, novalidate: true },
        element("label", { for: "listener" }, text("start.listener")), input,
        element("p", { id: "hint", class: "hint" }, text("start.hint", { total })),
        element("button", { class: "primary" }, text("start.button")),
      ),
    );
  }

  /** `again` shows the page that it is on, in the other language. */
  function languageMenu(again) {
    const options = Object.entries(vcbench.translations).map(([code, words]) =>
      element("option", { value: code, lang: code, selected: code === vcbench.language }, words.language),
    );
    const choose = (event) => {
      vcbench.setLanguage(event.target.value);
      again();
      document.getElementById("language").focus();
    };
    const menu = element("select", { id: "language", onchange: choose }, ...options);
    return element("div", { class: "field" }, element("label", { for: "language" }, text("start.language")), menu);
  }

  /** Start a listener's session, or continue it; `arrival` is the server's word on a participant of a crowd. */
  function open(listener, arrival = null) {
    const participant = arrival?.participant ?? null;
    const kept = store.claim(listener, participant);
    if (!kept && arrival && arrival.state !== "working") return done(arrival);
    app.session = kept
      ? new vcbench.Session(data, kept)
      : vcbench.Session.begin(data, listener, vcbench.language, participant, vcbench.crowd);
    vcbench.setLanguage(app.session.state.language);
    if (arrival?.state === "stopped") app.session.state.stopped ??= { ending: arrival.ending };
    if (app.save()) app.render();
  }

  /** Somebody who came to an end elsewhere, or whose browser has forgotten it. */
  function done(arrival) {
    if (arrival.state === "stopped") return vcbench.pages.stopped(app, arrival);
    show(text("finish.heading"), element("p", {}, text("finish.arrived")), ...vcbench.ending(app, arrival.ending));
  }

  const store = new vcbench.Store(data.manifest.id, taken);
  const known = (language) => language in vcbench.translations;
  vcbench.setLanguage([asked.get("lang"), data.manifest.language].find(known));
  const current = store.current();
  if (vcbench.crowd) {
    vcbench.watchNetwork(app);
    vcbench.arrive(app, store, asked);
  } else if (current !== null && [null, String(current)].includes(asked.get("listener"))) open(current);
  else start();
})();
