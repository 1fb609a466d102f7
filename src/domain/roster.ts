/**
 * Those present, where someone comes and goes with every request. A Set would say the same, but not to the garbage
 * collector: the table a Set has outgrown still points to the next one, so that once a single table has grown old, every
 * one after it is kept, with all it held, until the next full collection. Here a place is emptied and taken again.
 */
export class Roster<T> {
  private readonly places: (T | undefined)[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.places.length - this.free.length;
  }

  /** Returns what is called once, when the one who came goes. */
  enter(item: T): () => void {
    const place = this.free.pop() ?? this.places.length;
    this.places[place] = item;
    return () => {
      this.places[place] = undefined;
      this.free.push(place);
    };
  }

  /** Those present now, in no order; nobody who comes or goes later changes it. */
  list(): T[] {
    return this.places.filter((item) => item !== undefined);
  }
}
