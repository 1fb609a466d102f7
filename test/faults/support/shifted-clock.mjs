/**
 * Loaded before a gateway (`NODE_OPTIONS=--import=…`): its wall clock is wrong by `SHIFTED_CLOCK_MS`, and jumps by as
 * much again with each SIGUSR2. Its monotonic clock goes on as it is.
 */
const stepMs = Number(process.env.SHIFTED_CLOCK_MS ?? 0);
let shiftMs = process.env.SHIFTED_CLOCK_FROM_START === '1' ? stepMs : 0;
const RealDate = Date;

globalThis.Date = class extends RealDate {
  constructor(...parameters) {
    if (parameters.length === 0) super(RealDate.now() + shiftMs);
    else super(...parameters);
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};

process.on('SIGUSR2', () => {
  shiftMs += stepMs;
});
