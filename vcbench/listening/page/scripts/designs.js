"use strict";
// How the pages of each design ask: names of clips, offered answers, and the control of best-worst scaling.
(() => {
  const { element, text, recheck } = vcbench;

  /** Names of a page's clips, as the listener knows them, in the order of their places. */
  vcbench.clipNames = ({ answer }, order) => {
    if (answer === "choice" || answer === "comparison") return [text("clip.a"), text("clip.b")];
    if (answer === "category") return [text("clip.one")];
    return order.map((_, index) => text("clip.number", { number: index + 1 }));
  };

  /** The name of the recording that nobody rates. */
  vcbench.referenceName = ({ test, answer }) => {
    if (test === "abx") return text("clip.x");
    return text(answer === "sliders" || test === "dmos" ? "clip.reference" : "clip.speaker");
  };

  /** The answers that a page with one choice offers: `value`, `label`, and the `ratings` of its clips. */
  vcbench.offers = ({ test, answer, values, no_preference: refusable }) => {
    if (answer === "choice") {
      const offered = [["a", [1, 0]], ["b", [0, 1]], ...(refusable ? [["none", [0, 0]]] : [])];
      return offered.map(([value, ratings]) => ({ value, label: text(`choice.${value}`), ratings }));
    }
    return values.map((value) => (
      { value, label: text(`${test}.scale.${value}`), ratings: answer === "comparison" ? [0 - value, value] : [value] }
    ));
  };

  /** Best-worst scaling: the listener plays all clips, then chooses the best and the worst. */
  vcbench.bestWorst = (app, clips, buttons, unheard) => {
    const { page, order } = app.session.step;
    const known = (code) => app.session.clip(page, code);
    const rated = (rating) => order.find((code) => known(code).rating === rating) ?? null;
    const wanted = { best: rated(1), worst: rated(-1) };
    const inputs = [];
    let last = null; // the end that was chosen last

    /** No clip is both: the end chosen last has it, and the other returns when this one moves on, as with the arrow keys. */
    const chosen = (end) => (wanted.best === wanted.worst && end !== last ? null : wanted[end]);
    const complete = () => chosen("best") !== null && chosen("worst") !== null;

    /** Both choices give every clip a rating; a single one leaves the others unrated. */
    function choose(end, code) {
      wanted[end] = code;
      last = end;
      for (const one of order) {
        const rating = one === chosen("best") ? 1 : one === chosen("worst") ? -1 : complete() ? 0 : null;
        if (rating === null) Object.assign(known(one), { rating, rated: null });
        else if (known(one).rating !== rating) app.session.rate(page, one, rating);
      }
      app.save();
      for (const { input, end: own, code: one } of inputs) input.checked = chosen(own) === one;
      recheck();
    }

    function radio(end, code, name) {
      const input = element("input", {
        type: "radio", name: end, value: code, checked: chosen(end) === code, "aria-label": text(`bws.${end}.label`, { clip: name }),
        onchange: () => choose(end, code),
      });
      inputs.push({ input, end, code });
      return element("label", { class: "choice" }, input, element("span", { "aria-hidden": "true" }, text(`bws.${end}`)));
    }

    const rows = clips.map(({ code, name }) => element(
      "div", { class: "set" }, buttons.get(code).element, radio("best", code, name), radio("worst", code, name),
    ));
    const update = () => {
      for (const { input } of inputs) input.disabled = !clips.every((clip) => clip.known.heard);
    };
    update();
    return {
      elements: [element("fieldset", {}, element("legend", {}, text("bws.question")), ...rows)],
      update,
      complete,
      complain: () => {
        vcbench.complain(() => unheard(clips) ?? (complete() ? null : text("bws.missing")));
        inputs.find(({ end }) => chosen(end) === null)?.input.focus();
      },
    };
  };
})();
