"use strict";
// Used by every other script: elements, texts in the listener's language, and the fixed parts of the page.
window.vcbench = {
  language: "en",
  lacking: null, // what the complaint that is shown says

  /** A new element; an attribute that starts with "on" is an event listener, `true` sets an attribute without a value. */
  element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  },

  /** A text by its key, with {names} replaced. */
  text(key, values = {}) {
    return vcbench.translations[vcbench.language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  },

  setLanguage(language) {
    vcbench.language = language;
    document.documentElement.lang = language;
    document.documentElement.dir = vcbench.text("direction");
    document.title = vcbench.text("title");
    document.getElementById("title").textContent = vcbench.text("title");
  },

  /** Replace the content of the page; the heading gets the focus, so that a screen reader starts there. */
  show(heading, ...children) {
    const title = vcbench.element("h1", { tabindex: "-1" }, heading);
    document.getElementById("page").replaceChildren(title, ...children);
    vcbench.announce("");
    window.scrollTo(0, 0);
    title.focus();
  },

  /** Show a message below the page, and announce it to a screen reader. */
  announce(text) {
    const status = document.getElementById("status");
    status.textContent = text;
    status.classList.remove("complaint");
    vcbench.lacking = null;
  },

  /** Show, prominently, what is still to be done: the text that `lacking()` returns, or null once it is done. */
  complain(lacking) {
    const text = lacking();
    vcbench.announce(text ?? "");
    if (text === null) return;
    document.getElementById("status").classList.add("complaint");
    vcbench.lacking = lacking;
  },

  /** After every change: what has been done goes from the complaint, and with the last of it the complaint itself. */
  recheck() {
    const { lacking } = vcbench;
    if (lacking && lacking() !== document.getElementById("status").textContent) vcbench.complain(lacking);
  },

  button(key, onclick, kind = "primary") {
    return vcbench.element("button", { type: "button", class: kind, onclick }, vcbench.text(key));
  },

  paragraphs(text) {
    return text.trim().split(/\n\s*\n/).map((part) => vcbench.element("p", {}, part));
  },
};
