"use strict";
// Sends the state of a participant's session after each page; what cannot be sent goes with the next page, or when the network is back.
(() => {
  let sending = null; // the promise of what is on its way
  let waiting = false; // something newer is to be sent

  /** Send the state; the returned promise is true once the server has it. */
  vcbench.report = (app) => {
    if (!vcbench.crowd || !app.session?.state.consented || app.session.state.sent) return Promise.resolve(true);
    waiting = true;
    sending ??= flush(app).finally(() => { sending = null; });
    return sending;
  };

  async function flush(app) {
    while (waiting) {
      waiting = false;
      try {
        const reply = await vcbench.post(vcbench.collector, app.session.document());
        if (reply.state === "stopped") app.stop(reply);
      } catch (error) {
        if (error.status === 410) app.stop({ state: "stopped", ending: {} }); // their data were deleted
        return false;
      }
    }
    return true;
  }

  vcbench.watchNetwork = (app) => window.addEventListener("online", () => vcbench.report(app));
})();
