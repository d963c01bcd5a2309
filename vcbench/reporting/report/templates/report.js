"use strict";
{
  const key = document.getElementById("key");
  key.querySelectorAll("thead button").forEach((button, index) => button.addEventListener("click", () => {
    const head = button.closest("th");
    const other = { ascending: "descending", descending: "ascending" };
    const order = other[head.ariaSort] ?? button.dataset.first;
    key.querySelectorAll("thead th").forEach(one => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    for (const body of key.tBodies) {
      const value = row => row.cells[index].dataset.order;
      const rows = [...body.rows].sort((first, second) => {
        const [a, b] = [value(first), value(second)];
        if (a === "" || b === "") return (a === "") - (b === "");  // rows without a value are last either way
        const more = index ? a - b : a.localeCompare(b);
        return order === "ascending" ? more : -more;
      });
      body.append(...rows);
    }
  }));

  // A link into what is folded opens it; paper has everything.
  const unfold = () => {
    const aim = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!aim) return;
    for (let fold = aim.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (aim.id === "everything") document.querySelector("details.tables").open = true;
    aim.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(fold => { fold.open = true; }));
}

if (document.getElementById("data")) {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = id => document.getElementById(id);
  const player = $("player"), filters = $("filters").elements, jump = $("trial"), tiles = $("tiles");
  const audio = new Audio();
  let trials = [], at = 0, playing = null;

  const element = (tag, attributes = {}, ...children) => {
    const made = tag === "svg" || tag === "path" ? document.createElementNS("http:" + "//www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const named = (key, trial) => data[key].names[data[key].of[trial]] ?? "";
  const options = (select, pairs) => select.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));

  // Orders of the trials. A trial without values is last.
  const over = (column, trial) => data.systems.map(row => column.values[row][trial]).filter(value => value !== null);
  const mean = values => values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  const orders = {
    differ: ["Systems differ most", column => trial => { const own = over(column, trial); return own.length > 1 ? Math.min(...own) - Math.max(...own) : null; }],
    worst: ["Worst first", column => trial => { const own = mean(over(column, trial)); return own === null ? null : column.higher === false ? -own : own; }],
    best: ["Best first", column => trial => { const own = mean(over(column, trial)); return own === null ? null : column.higher === false ? own : -own; }],
    list: ["As listed", () => trial => trial],
  };
  if (!data.columns.length) { delete orders.differ; delete orders.worst; delete orders.best; }
  else if (data.systems.length < 2) delete orders.differ;

  const label = trial => {
    const column = data.columns[filters.column.value];
    const own = column ? over(column, trial) : [];
    const range = own.length ? ` · ${Math.min(...own).toFixed(column.decimals)} to ${Math.max(...own).toFixed(column.decimals)}` : "";
    return `${data.trials[trial]}: ${named("source_speaker", trial)} to ${named("target_speaker", trial)}${range}`;
  };

  const arrange = () => {
    const wanted = ["condition", "sex_pair"].filter(key => filters[key].value !== "").map(key => [key, Number(filters[key].value)]);
    const speaker = filters.speaker.value;
    const chosen = data.trials.map((_, trial) => trial).filter(trial =>
      wanted.every(([key, value]) => data[key].of[trial] === value) &&
      (!speaker || named("source_speaker", trial) === speaker || named("target_speaker", trial) === speaker));
    const rank = orders[filters.order.value][1](data.columns[filters.column.value]);
    const ranks = new Map(chosen.map(trial => [trial, rank(trial)]));
    trials = chosen.sort((a, b) => (ranks.get(a) === null) - (ranks.get(b) === null) || ranks.get(a) - ranks.get(b) || a - b);
    options(jump, trials.map((trial, index) => [index, label(trial)]));
    show(0);
  };

  const show = place => {
    stop();
    at = Math.max(0, Math.min(place, trials.length - 1));
    const trial = trials[at];
    $("previous").disabled = at === 0;
    $("next").disabled = at >= trials.length - 1;
    $("count").textContent = trials.length ? `${at + 1} of ${trials.length}` : "No trial is like that.";
    $("trouble").hidden = true;
    $("about").textContent = $("words").textContent = "";
    tiles.replaceChildren();
    if (trial === undefined) return;
    jump.value = at;
    const about = [named("condition", trial), named("sex_pair", trial)].filter(text => text && text !== "all").join(", ");
    $("about").textContent = `${data.trials[trial]}: ${named("source_speaker", trial)} to ${named("target_speaker", trial)}${about ? ` (${about})` : ""}`;
    $("words").textContent = data.texts[trial] && `“${data.texts[trial]}”`;
    const clips = data.clips[trial] ?? [];
    const longest = Math.max(...clips.map(clip => clip?.[2] ?? 0));
    const failed = new Map(data.failures.filter(one => one[1] === trial).map(one => [one[0], one[2]]));
    let number = 0;
    data.rows.forEach((row, index) => {
      const link = data.recordings[index][trial];
      if (link) tiles.append(tile(row, index, trial, link, clips[index], longest, ++number));
      else if (failed.has(index)) tiles.append(element("li", { class: "tile" }, head(row), element("p", { class: "error" }, `failed: ${failed.get(index)}`)));
    });
  };

  const head = (row, ...more) => element("p", { class: "name" }, ...more.slice(0, 1),
    element("span", { class: "dot", style: `background: var(--${row.colour})` }), element("b", {}, row.name), ...more.slice(1));

  const tile = (row, index, trial, link, clip, longest, number) => {
    const name = `${row.name}, trial ${data.trials[trial]}`;
    const button = element("button", { type: "button", class: "play", "aria-label": `Play ${name}` });
    const seconds = clip ? [element("span", { class: "muted small" }, `${clip[2].toFixed(1)} s`)] : [];
    const made = element("li", { class: "tile" }, head(row, button, ...seconds, ...(number < 10 ? [element("kbd", {}, number)] : [])));
    made.play = { link, button, clip };
    button.addEventListener("click", () => toggle(made));
    if (clip) made.append(pictures(made, row, clip, longest, name));
    const figures = data.columns.map(column => [column, column.values[index][trial]]).filter(([, value]) => value !== null)
      .map(([column, value]) => element("span", {}, `${column.title} `, element("b", {}, value.toFixed(column.decimals) + column.unit)));
    if (figures.length) made.append(element("p", { class: "figures small" }, ...figures));
    const heard = data.heard[index]?.[trial], said = data.said[index]?.[trial];
    if (heard) made.append(element("p", { class: "small heard" }, `heard: ${heard}`));
    if (said) made.append(element("p", { class: "small muted" }, `spoken: “${said}”`));
    return made;
  };

  const pictures = (made, row, [mel, peaks, seconds], longest, name) => {
    const wave = element("svg", { viewBox: `0 0 ${peaks.length} 64`, preserveAspectRatio: "none", class: "wave", "aria-hidden": "true" });
    const heights = [...peaks].map(one => one.charCodeAt(0) - 48);
    const edge = (sign, list) => list.map(([x, height]) => `${x} ${32 + sign * Math.max(height, 0.4)}`).join("L");
    const points = heights.map((height, x) => [x + 0.5, height]);
    wave.append(element("path", { d: `M${edge(-1, points)}L${edge(1, points.reverse())}Z`, fill: `var(--${row.colour})` }));
    const image = element("img", { src: mel, alt: `Mel spectrogram of ${name}, ${seconds.toFixed(1)} s`, decoding: "async" });
    const line = element("span", { class: "head" });
    const both = element("div", { class: "pictures", style: `width: ${(100 * seconds / longest).toFixed(1)}%` }, wave, image, line);
    both.addEventListener("click", event => {
      const box = both.getBoundingClientRect();
      start(made, seconds * (event.clientX - box.left) / box.width);
    });
    made.play.line = line;
    return both;
  };

  // One player for all recordings.
  const mark = () => {
    for (const one of tiles.children) {
      if (!one.play) continue;
      const on = one === playing && !audio.paused;
      one.classList.toggle("on", one === playing);
      one.play.button.classList.toggle("pause", on);
      one.play.button.setAttribute("aria-label", one.play.button.getAttribute("aria-label").replace(/^\w+/, on ? "Pause" : "Play"));
    }
  };
  const start = (made, from = 0) => {
    if (playing !== made) { audio.src = made.play.link; playing = made; }
    audio.currentTime = from;
    $("trouble").hidden = true;
    audio.play().catch(() => {});  // a switch interrupts the last one; what cannot be loaded is an event
    follow();
  };
  const toggle = made => {
    if (playing !== made || audio.ended) start(made);
    else if (audio.paused) { audio.play().catch(() => {}); follow(); }
    else audio.pause();
  };
  const stop = () => { audio.pause(); playing = null; mark(); };
  const follow = () => {
    const line = playing?.play.line;
    if (!line) return;
    line.style.left = `${100 * Math.min(1, audio.currentTime / playing.play.clip[2])}%`;
    if (!audio.paused) requestAnimationFrame(follow);
  };
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, mark);
  audio.addEventListener("error", () => {
    if (!playing) return;
    $("trouble").textContent = "This recording cannot be played. report.html plays the recordings in its run's folder: leave it there, or make a file to be sent with `vcbench report --single-file`.";
    $("trouble").hidden = false;
    stop();
  });

  const step = by => {
    const there = [...tiles.children].filter(one => one.play);
    const now = there.indexOf(playing);
    if (there.length) start(there[now < 0 ? 0 : (now + by + there.length) % there.length]);
  };
  player.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|INPUT)$/.test(event.target.tagName)) return;
    const there = [...tiles.children].filter(one => one.play);
    if (/^[1-9]$/.test(event.key) && there[event.key - 1]) start(there[event.key - 1]);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === " " && event.target.tagName !== "BUTTON") playing ? toggle(playing) : step(1);
    else if (/^[nN]$/.test(event.key)) { player.focus(); show(at + 1); }
    else if (/^[pP]$/.test(event.key)) { player.focus(); show(at - 1); }
    else return;
    event.preventDefault();
  });
  $("previous").addEventListener("click", () => show(at - 1));
  $("next").addEventListener("click", () => show(at + 1));
  jump.addEventListener("change", () => show(Number(jump.value)));
  $("filters").addEventListener("change", arrange);
  $("filters").addEventListener("submit", event => event.preventDefault());

  const every = [["", "all"]];
  options(filters.order, Object.entries(orders).map(([name, [text]]) => [name, text]));
  options(filters.column, data.columns.map((column, index) => [index, column.title]));
  for (const key of ["condition", "sex_pair"]) options(filters[key], [...every, ...data[key].names.map((name, index) => [index, name])]);
  options(filters.speaker, [...every, ...[...new Set([...data.source_speaker.names, ...data.target_speaker.names])].sort().map(name => [name, name])]);
  for (const key of ["condition", "sex_pair"]) filters[key].closest("label").hidden = data[key].names.length < 2;
  filters.column.closest("label").hidden = data.columns.length < 2;
  player.hidden = false;
  arrange();
}
