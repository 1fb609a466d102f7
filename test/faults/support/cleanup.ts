/** What a suite has to end, in the reverse order, however far it came and whichever of them fails. */
export class Cleanup {
  private readonly endings: (() => unknown)[] = [];

  add(ending: () => unknown): void {
    this.endings.push(ending);
  }

  /** Throws the first problem once everything was tried. */
  async run(): Promise<void> {
    const problems: unknown[] = [];
    for (const ending of this.endings.splice(0).reverse()) {
      try {
        await ending();
      } catch (problem) {
        problems.push(problem);
      }
    }
    if (problems.length > 0) throw problems[0];
  }
}
