"use strict";
// One listener's session: its steps and answers. `state` is all of it, as saved in the browser's storage.
const REFERENCE = ""; // not the code of any clip

vcbench.Session = class {
  constructor(data, state) {
    this.data = data;
    this.state = state;
    const sheet = data.sheets[state.listener];
    this.training = sheet.training;
    this.rated = sheet.rounds.flat();
    this.steps = [
      { view: "consent" },
      ...(state.checks?.hearing ? [{ view: "hearing" }] : []),
      { view: "volume" },
      ...(state.checks?.headphones ? [{ view: "headphones" }] : []),
      { view: "instructions" },
      ...this.training.map((shown, index) => ({ view: "rating", ...shown, training: true, number: index + 1 })),
      ...(this.training.length ? [{ view: "begin" }] : []),
      ...this.rated.map((shown, index) => ({ view: "rating", ...shown, training: false, number: index + 1 })),
      { view: "finish" },
    ];
  }

  /** `checks` are what a crowd goes through first: {hearing, headphones}. */
  static begin(data, listener, language, participant = null, checks = null) {
    const session = vcbench.randomId();
    const times = { consented: null, started: new Date().toISOString(), ended: null };
    return new this(data, { listener, participant, checks, session, language, ...times, step: 0, pages: {}, sent: false });
  }

  get step() {
    return this.steps[this.state.step];
  }

  /** The record of a clip on a page, to be changed in place. */
  clip(page, code) {
    this.state.pages[page] ??= { shown: new Date().toISOString(), clips: {} };
    return (this.state.pages[page].clips[code] ??= { rating: null, rated: null, plays: 0, heard: false });
  }

  /** The record of a page's reference, which nobody rates. */
  reference(page) {
    return this.clip(page, REFERENCE);
  }

  rate(page, code, rating) {
    Object.assign(this.clip(page, code), { rating, rated: new Date().toISOString() });
  }

  answers(showings) {
    return showings.flatMap(({ page, order }) =>
      order.map((code, position) => {
        const known = this.state.pages[page];
        const clip = known?.clips[code] ?? { rating: null, rated: null, plays: 0, heard: false };
        return { page, clip: code, position, ...clip, shown: known?.shown ?? null };
      }),
    );
  }

  /** The session as vcbench.listening.answers.session describes it, in canonical JSON. */
  document() {
    const { listener, participant, session, language, consented, started, ended, tested, device } = this.state;
    const { id: bundle, test } = this.data.manifest;
    const content = {
      format: 1, bundle, test, listener, session, language, consented, started, ended,
      answers: this.answers(this.rated), training: this.answers(this.training),
      ...(participant && { participant }), ...(tested && { headphones: tested }), ...(device && { device }),
    };
    return vcbench.canonical({ ...content, checksum: vcbench.sha256(vcbench.canonical(content)) });
  }

  get fileName() {
    const { participant, listener } = this.state;
    return `${this.data.manifest.id}_${participant ? `participant_${participant}` : `listener_${listener}`}_${this.state.session.slice(0, 8)}.json`;
  }
};
