/** A number of places, and those who wait for one in the order they came. Their number may change while they wait. */
export class PlaceQueue {
  private taken = 0;
  /** As many as whoever came last knew of: a reload may change it while others wait. */
  private places = 0;
  private readonly waiting = new Set<() => void>();

  /** Whether a place is free for somebody who comes now. */
  hasRoom(places: number): boolean {
    return this.taken < places && this.waiting.size === 0;
  }

  get isIdle(): boolean {
    return this.taken === 0 && this.waiting.size === 0;
  }

  /** Takes a place, never past those who wait. False where none is free. */
  enter(places: number): boolean {
    this.places = places;
    this.admit();
    if (!this.hasRoom(places)) return false;
    this.taken++;
    return true;
  }

  /** False where no place came free in time, where `most` wait already, or once `signal` is aborted. */
  async enterOrWait(places: number, most: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.enter(places)) return true;
    if (signal.aborted || this.waiting.size >= most || timeoutMs <= 0) return false;
    return new Promise((resolve) => {
      const finish = (entered: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        this.waiting.delete(take);
        resolve(entered);
      };
      const take = () => finish(true);
      const giveUp = () => finish(false);
      const timer = setTimeout(giveUp, timeoutMs);
      signal.addEventListener('abort', giveUp, { once: true });
      this.waiting.add(take);
    });
  }

  /** Gives a place back: to whoever has waited longest. */
  leave(): void {
    this.taken--;
    this.admit();
  }

  private admit(): void {
    for (const take of this.waiting) {
      if (this.taken >= this.places) return;
      this.taken++;
      take();
    }
  }
}
