// What makes `using` and `await using` close what was opened, also where the runtime does not know their symbols yet: compilers then look for
// the registered symbols of the same names.

export const disposeKey: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose')
export const asyncDisposeKey: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

/** Something opened that `using` or `await using` closes. */
export type Closing<T> = T & Disposable & AsyncDisposable

/** The same object, closed by `close` where a block with `using` or `await using` ends. */
export const closing = <T extends object>(opened: T, close: () => void | Promise<void>): Closing<T> =>
  Object.assign(opened, {
    [disposeKey]: () => void close(),
    [asyncDisposeKey]: async () => close(),
  })
