"use strict";
// The sounds of two headphone tests. In both, a listener says which of three intervals is the odd one, and hears another one, or
// none, over loudspeakers, where each ear gets both channels.
(() => {
  const [SECONDS, GAP] = [1, 0.5];
  const [CENTRE, HALF_BAND] = [600, 0.06]; // Hz of Huggins pitch, and its share on both sides; this band's phase is turned by 180 degrees
  const [TONE, QUIETER] = [200, 10 ** (-6 / 20)]; // Hz, and the gain of the quietest tone
  const MOST = 2 ** 14; // random numbers that the browser gives at once

  /** Samples of white noise with this deviation. */
  function white(length, deviation) {
    const random = new Uint32Array(2 * length);
    for (let from = 0; from < random.length; from += MOST) crypto.getRandomValues(random.subarray(from, from + MOST));
    const gaussian = (first, second) => Math.sqrt(-2 * Math.log((first + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * second) / 2 ** 32);
    return Float64Array.from({ length }, (_, index) => deviation * gaussian(random[2 * index], random[2 * index + 1]));
  }

  function ramped(ears, rate, seconds) {
    const length = ears[0].length;
    for (let index = 0; index < seconds * rate; index++) {
      const gain = Math.sin((Math.PI / 2) * (index / (seconds * rate))) ** 2;
      for (const ear of ears) {
        ear[index] *= gain;
        ear[length - 1 - index] *= gain;
      }
    }
    return ears;
  }

  /** Turn the phase of the components from `low` to `high`, in cycles per length of the samples, by 180 degrees. */
  function turned(samples, low, high) {
    const { length } = samples;
    const circle = (wave) => Float64Array.from({ length }, (_, index) => wave((2 * Math.PI * index) / length));
    const [cosines, sines, result] = [circle(Math.cos), circle(Math.sin), samples.slice()];
    for (let bin = low; bin <= high; bin++) {
      let [real, imaginary] = [0, 0];
      for (let index = 0; index < length; index++) {
        const place = (bin * index) % length;
        real += samples[index] * cosines[place];
        imaginary += samples[index] * sines[place];
      }
      for (let index = 0; index < length; index++) { // twice the component is taken away: its sign is turned
        const place = (bin * index) % length;
        result[index] -= (4 / length) * (real * cosines[place] + imaginary * sines[place]);
      }
    }
    return result;
  }

  /** White noise for both ears, [left, right], with deviation `level`; with a Huggins pitch (`tone`) or without (`plain`). */
  function noise(rate, kind, level) {
    const length = Math.round(SECONDS * rate);
    const left = white(length, level);
    const [low, high] = [CENTRE * (1 - HALF_BAND), CENTRE * (1 + HALF_BAND)].map((hertz) => Math.round((hertz * length) / rate));
    return ramped([left, kind === "tone" ? turned(left, low, high) : left.slice()], rate, 0.05);
  }

  /** A tone for both ears, with RMS `level`; a `quiet` one has less, an `antiphase` one has the opposite sign in the right ear. */
  function tone(rate, kind, level) {
    const peak = Math.SQRT2 * level * (kind === "quiet" ? QUIETER : 1);
    const left = Float64Array.from({ length: Math.round(SECONDS * rate) }, (_, index) => peak * Math.sin((2 * Math.PI * TONE * index) / rate));
    return ramped([left, kind === "antiphase" ? left.map((value) => -value) : left.slice()], rate, 0.1);
  }

  /** `kinds` of the intervals, the first of which is to be found; `needed` right answers pass; `loudness` is above the RMS, in LU (ITU-R BS.1770-5). */
  vcbench.headphoneTests = {
    // Milne et al. 2021 (doi:10.3758/s13428-020-01514-0): which of three noises has a faint tone? By chance one in 729 passes.
    huggins: { sound: noise, kinds: ["tone", "plain", "plain"], examples: ["tone", "plain"], trials: 6, needed: 6, loudness: 5.6 },
    // Woods et al. 2017 (doi:10.3758/s13414-017-1361-2): which of three tones is the quietest? Over loudspeakers the one in antiphase.
    woods: { sound: tone, kinds: ["quiet", "loud", "antiphase"], examples: ["loud"], trials: 6, needed: 5, loudness: 2.2 },
  };

  /** A buffer of a test's intervals of these kinds, with gaps between them. */
  vcbench.intervals = (context, test, kinds, level) => {
    const { sampleRate: rate } = context;
    const step = Math.round((SECONDS + GAP) * rate);
    const buffer = context.createBuffer(2, step * (kinds.length - 1) + Math.round(SECONDS * rate), rate);
    kinds.forEach((kind, index) => {
      test.sound(rate, kind, level).forEach((ear, channel) => buffer.copyToChannel(Float32Array.from(ear), channel, index * step));
    });
    return buffer;
  };
})();
