"use strict";
// The end: answers are sent to the collector, if there is one, and can always be downloaded.
(() => {
  const { element, text, button, show, announce } = vcbench;

  vcbench.download = (session) => {
    const content = new Blob([session.document()], { type: "application/json" });
    const link = element("a", { href: URL.createObjectURL(content), download: session.fileName });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  /** Send a session; the server confirms it with its checksum. */
  async function send(session) {
    const body = session.document();
    const reply = await vcbench.post(vcbench.collector, body);
    if (reply.stored !== JSON.parse(body).checksum) throw new Error("HTTP 2xx");
    return reply;
  }

  vcbench.pages.finish = (app) => {
    const { session } = app;
    session.state.ended ??= new Date().toISOString();
    app.save();
    const outcome = element("p", { class: "outcome" });
    const end = element("div");
    const next = button("finish.next", () => app.release(), "secondary");
    const retry = button("finish.retry", () => handIn(), "primary");
    const download = button("finish.download", () => {
      vcbench.download(session);
      next.hidden = false;
    }, vcbench.collector ? "secondary" : "primary");
    const hint = element("p", {}, text(vcbench.collector ? "finish.backup.hint" : "finish.download.hint"));
    retry.hidden = true;
    next.hidden = true;

    function sent() {
      next.hidden = Boolean(vcbench.crowd); // a participant has a device of their own
      tell(session.state.ending ? "finish.arrived" : "finish.sent");
      end.replaceChildren(...vcbench.ending(app, session.state.ending));
    }

    async function handIn() {
      retry.hidden = true;
      tell("finish.sending");
      try {
        const reply = await send(session);
        session.state.sent = true;
        session.state.ending = Object.keys(reply.ending ?? {}).length ? reply.ending : null;
        app.save();
        sent();
      } catch (error) {
        retry.hidden = false;
        tell("finish.failed", { reason: error.message });
      }
    }

    function tell(key, values) {
      outcome.textContent = text(key, values);
      announce(outcome.textContent);
    }

    const buttons = element("div", { class: "buttons" }, retry, download, next);
    show(text("finish.heading"), element("p", {}, text("finish.text")), outcome, end, hint, buttons);
    if (session.state.sent) sent();
    else if (vcbench.collector) handIn();
  };
})();
