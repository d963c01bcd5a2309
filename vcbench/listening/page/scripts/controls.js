"use strict";
// The controls of a rating page: play buttons, choices, and sliders. Each has an `update()`.
(() => {
  const { element, text } = vcbench;

  /** A button that plays and stops one clip; it shows the position, and whether the clip was played fully. */
  vcbench.ClipButton = class {
    constructor(player, code, name) {
      Object.assign(this, { player, code, name });
      this.button = element("button", { type: "button", class: "play", onclick: () => player.toggle(code) });
      this.bar = element("span", { class: "bar", "aria-hidden": "true" });
      this.heard = element("span", { class: "heard" });
      this.button.append(element("span", { class: "icon", "aria-hidden": "true" }), element("span", {}, name), this.bar);
      this.element = element("div", { class: "clip" }, this.button, this.heard);
      this.update();
    }

    update() {
      const { known, buffer } = this.player.clips.get(this.code);
      const active = this.player.active === this.code;
      this.button.classList.toggle("active", active);
      this.button.setAttribute("aria-label", text(active ? "stop.label" : "play.label", { clip: this.name }));
      this.bar.style.transform = `scaleX(${active ? this.player.position() / buffer.duration : 0})`;
      if (known.heard && !this.heard.textContent) this.heard.textContent = text("heard");
    }
  };

  /** A choice of one answer; `options` are [value, label]; locked until `unlocked()`. */
  vcbench.Choices = class {
    constructor(question, options, chosen, unlocked, onchoose) {
      this.unlocked = unlocked;
      this.inputs = options.map(([value]) =>
        element("input", {
          type: "radio", name: "answer", value, checked: value === chosen, onchange: () => onchoose(value),
        }),
      );
      const labels = options.map(([value, label], index) => {
        const number = typeof value === "number" ? [element("strong", {}, String(value).replace("-", "−"))] : [];
        return element("label", { class: "choice" }, this.inputs[index], ...number, element("span", {}, label));
      });
      this.element = element("fieldset", {}, element("legend", {}, question), element("div", { class: "choices" }, ...labels));
      this.update();
    }

    update() {
      for (const input of this.inputs) input.disabled = !this.unlocked();
    }

    focus() {
      this.inputs[0].focus();
    }
  };

  /** A rating from 0 to 100 that is unset until it is moved: an untouched slider is no rating. */
  vcbench.Slider = class {
    constructor(name, rating, unlocked, onrate, onplay) {
      Object.assign(this, { unlocked, rating, onrate });
      this.input = element("input", {
        type: "range", min: 0, max: 100, step: 1, value: rating ?? 50, "aria-label": text("slider.label", { clip: name }),
        oninput: () => this.rate(),
        onpointerup: () => this.rate(), // a click on the exact middle does not move the slider, but it is a rating
        onkeydown: (event) => event.key === "Enter" && onplay(),
      });
      this.output = element("output", { "aria-hidden": "true" });
      this.update();
    }

    rate() {
      if (this.input.disabled || this.rating === Number(this.input.value)) return;
      this.rating = Number(this.input.value);
      this.onrate(this.rating);
      this.update();
    }

    update() {
      const unset = this.rating === null;
      this.input.disabled = !this.unlocked();
      this.input.classList.toggle("unset", unset);
      this.input.setAttribute("aria-valuetext", unset ? text("slider.unset") : String(this.rating));
      this.input.title = this.input.disabled ? text("slider.locked") : "";
      this.output.textContent = unset ? "–" : String(this.rating);
    }

    focus() {
      this.input.focus();
    }
  };
})();
