"use strict";
// The browser's storage: a session per listener, which one is current, and which tab owns it.
vcbench.Store = class {
  /** `taken` is called when another tab takes over the session of this one. */
  constructor(bundle, taken) {
    this.prefix = `vcbench:${bundle}`;
    this.tab = vcbench.randomId();
    this.owner = null; // the listener's number, or the participant's code
    try {
      this.storage = window.localStorage;
    } catch {
      this.storage = null; // disabled: `save` reports it
    }
    window.addEventListener("storage", (event) => {
      if (event.key === this.key("tab") && event.newValue !== null && event.newValue !== this.tab) taken();
    });
  }

  key(name) {
    return `${this.prefix}:${this.owner}:${name}`;
  }

  /** The listener whose session was open here last, or null. */
  current() {
    const number = this.storage?.getItem(`${this.prefix}:current`);
    return number ? Number(number) : null;
  }

  /** What the server last said of a participant, or null. */
  person(pid) {
    const kept = this.storage?.getItem(`${this.prefix}:person:${pid}`);
    return kept ? JSON.parse(kept) : null;
  }

  keepPerson(pid, reply) {
    this.write(`${this.prefix}:person:${pid}`, JSON.stringify(reply));
  }

  /** Make this tab the owner of a session, a listener's or a participant's; return the saved state, or null. */
  claim(listener, participant = null) {
    this.owner = participant ?? listener;
    this.write(this.key("tab"), this.tab);
    if (participant === null) this.write(`${this.prefix}:current`, String(listener));
    const kept = this.storage?.getItem(this.key("session"));
    return kept ? JSON.parse(kept) : null;
  }

  /** Save a session's state; the outcome is "kept", "full" (or no storage at all), or "taken" by another tab. */
  save(state) {
    const owner = this.storage?.getItem(this.key("tab"));
    if (owner && owner !== this.tab) return "taken";
    const done = this.write(this.key("tab"), this.tab) && this.write(this.key("session"), JSON.stringify(state));
    return done ? "kept" : "full";
  }

  /** Forget the current listener, so that the next one is asked; the session itself stays. */
  release() {
    this.storage?.removeItem(`${this.prefix}:current`);
  }

  write(key, value) {
    try {
      this.storage.setItem(key, value);
      return true;
    } catch {
      return false;
    }
  }
};
