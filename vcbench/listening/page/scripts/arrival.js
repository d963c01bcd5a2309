"use strict";
// A participant of a crowd: who they are, by the page's address, and which sheet the server gives them.
(() => {
  const { element, text, button, show } = vcbench;
  const NAMES = {
    pid: ["PROLIFIC_PID", "workerId", "pid"],
    study: ["STUDY_ID", "hitId", "study"],
    session: ["SESSION_ID", "assignmentId", "session"],
  };
  const ID = /^[A-Za-z0-9][A-Za-z0-9._@:+~-]{0,99}$/; // as the server accepts them
  const PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"; // MTurk shows the page before the worker accepts

  const PATIENCE = 10_000; // ms until the page goes back by itself

  /** {pid, study, session} of an address; what it lacks, or what is not an id, is null. */
  vcbench.identity = (asked) => {
    const first = (names) => names.map((name) => asked.get(name)?.trim()).find((value) => value && ID.test(value)) ?? null;
    return Object.fromEntries(Object.entries(NAMES).map(([field, names]) => [field, first(names)]));
  };

  /** Post JSON, or a text that is JSON; the reply's JSON. */
  vcbench.post = async (path, content) => {
    const body = typeof content === "string" ? content : JSON.stringify(content);
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const reply = await response.json().catch(() => ({}));
    if (!response.ok) throw Object.assign(new Error(reply.error ?? `HTTP ${response.status}`), { status: response.status });
    return reply;
  };

  /** Ask the server for a sheet, then continue; without the network, who was here before continues at once. */
  vcbench.arrive = async (app, store, asked) => {
    const identity = vcbench.identity(asked);
    if (asked.get("assignmentId") === PREVIEW) return show(text("preview.heading"), element("p", {}, text("preview.text")));
    if (identity.pid === null) return askForId(app, (pid) => enter({ ...identity, pid }));
    return enter(identity);

    async function enter(who) {
      let reply;
      try {
        reply = await vcbench.post("arrive", who);
        store.keepPerson(who.pid, reply);
      } catch (error) {
        reply = store.person(who.pid);
        if (reply === null) {
          const again = button("load.retry", () => enter(who));
          return show(text("arrive.heading"), element("p", {}, text("arrive.text", { reason: error.message })), again);
        }
      }
      if (reply.state === "closed") return show(text("closed.heading"), element("p", {}, text("closed.text")));
      app.identity = who;
      return app.open(reply.listener, reply);
    }
  };

  function askForId(app, enter) {
    const input = element("input", {
      id: "listener", class: "long", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true,
      oninput: () => { if (right()) input.removeAttribute("aria-invalid"); vcbench.recheck(); },
    });
    const right = () => ID.test(input.value.trim());
    const begin = (event) => {
      event.preventDefault();
      if (right()) return enter(input.value.trim());
      input.setAttribute("aria-invalid", "true");
      vcbench.complain(() => (right() ? null : text("start.participant.wrong")));
      input.focus();
    };
    const form = element(
      "form", { onsubmit: begin, novalidate: true },
      element("label", { for: "listener" }, text("start.participant")), input,
      element("button", { class: "primary" }, text("start.button")),
    );
    show(text("start.heading"), ...vcbench.paragraphs(text("start.text")), app.languageMenu(() => askForId(app, enter)), form);
  }

  /** What a participant gets at the end: a code, or the way back; `{pid}`, `{study}` and `{session}` are filled in. */
  vcbench.ending = (app, ending) => {
    if (ending?.code) {
      return [element("p", {}, text("ending.code")), element("p", { class: "code" }, element("code", {}, ending.code))];
    }
    if (!ending?.url) return [];
    const fill = (_, name) => encodeURIComponent(app.identity?.[name] ?? "");
    const href = ending.url.replace(/\{(pid|study|session)\}/g, fill);
    const link = element("a", { class: "primary", href }, text("ending.return"));
    setTimeout(() => { location.href = href; }, PATIENCE);
    return [element("p", {}, text("ending.url")), element("div", { class: "buttons" }, link)];
  };

  vcbench.pages.stopped = (app, { ending }) => {
    show(text("stopped.heading"), element("p", {}, text("stopped.text")), ...vcbench.ending(app, ending));
  };
})();
