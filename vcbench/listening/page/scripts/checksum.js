"use strict";
// SHA-256 (FIPS 180-4) of canonical JSON. The browser's own SHA-256 is not available on pages served over plain http.
(() => {
  const primes = [];
  for (let number = 2; primes.length < 64; number++) if (primes.every((prime) => number % prime)) primes.push(number);
  const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32);
  const CONSTANTS = primes.map((prime) => fraction(Math.cbrt(prime)));
  const START = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const rotate = (word, bits) => (word >>> bits) | (word << (32 - bits));

  function padded(bytes) {
    const length = Math.ceil((bytes.length + 9) / 64) * 64;
    const view = new DataView(new ArrayBuffer(length));
    bytes.forEach((byte, index) => view.setUint8(index, byte));
    view.setUint8(bytes.length, 0x80);
    view.setUint32(length - 8, Math.floor(bytes.length / 2 ** 29));
    view.setUint32(length - 4, bytes.length << 3);
    return view;
  }

  function schedule(view, offset) {
    const words = new Uint32Array(64);
    for (let index = 0; index < 16; index++) words[index] = view.getUint32(offset + 4 * index);
    for (let index = 16; index < 64; index++) {
      const [early, late] = [words[index - 15], words[index - 2]];
      const first = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
      const second = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
      words[index] = words[index - 16] + first + words[index - 7] + second;
    }
    return words;
  }

  function compress(state, words) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let index = 0; index < 64; index++) {
      const mixed = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const first = (h + mixed + ((e & f) ^ (~e & g)) + CONSTANTS[index] + words[index]) | 0;
      const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, index) => { state[index] += value; });
  }

  /** SHA-256, in hexadecimal, of the UTF-8 bytes of a text. */
  vcbench.sha256 = (text) => {
    const view = padded(new TextEncoder().encode(text));
    const state = new Uint32Array(START);
    for (let offset = 0; offset < view.byteLength; offset += 64) compress(state, schedule(view, offset));
    return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
  };

  /** JSON with sorted keys and no spaces: the input of the checksum. */
  vcbench.canonical = (value) => {
    if (Array.isArray(value)) return `[${value.map(vcbench.canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const pairs = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${vcbench.canonical(value[key])}`);
    return `{${pairs.join(",")}}`;
  };

  vcbench.randomId = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
})();
