"use strict";
// What every other script uses: elements, texts in the listener's language, and the page's fixed parts.
window.vcbench = {
  language: "en",

  /** A new element; an attribute that begins with "on" is a listener, `true` is an attribute without value. */
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
    document.title = vcbench.text("title");
    document.getElementById("title").textContent = vcbench.text("title");
  },

  /** Replace the page's content; the heading takes the focus, so that a screen reader begins there. */
  show(heading, ...children) {
    const title = vcbench.element("h1", { tabindex: "-1" }, heading);
    document.getElementById("page").replaceChildren(title, ...children);
    vcbench.announce("");
    window.scrollTo(0, 0);
    title.focus();
  },

  /** Say something below the page, and to a screen reader. */
  announce(text) {
    const status = document.getElementById("status");
    status.textContent = text;
    status.classList.remove("complaint");
  },

  /** Say what is still to be done, so that it is seen. */
  complain(text) {
    vcbench.announce(text);
    document.getElementById("status").classList.add("complaint");
  },

  button(key, onclick, kind = "primary") {
    return vcbench.element("button", { type: "button", class: kind, onclick }, vcbench.text(key));
  },

  paragraphs(text) {
    return text.trim().split(/\n\s*\n/).map((part) => vcbench.element("p", {}, part));
  },
};
