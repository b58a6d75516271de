// What ../child.ts gives, as far as a browser has it: no other processes, and no more known of the processor than its threads.
import { type ChildError, childError, isChildError } from '../child-error.js'

export { type ChildError, childError, isChildError }

export const startChild = (): never => {
  throw childError('a browser starts no other programs')
}

export const temporaryFolder = (): Promise<string> => Promise.reject(new Error('a browser has no temporary folders'))

export const processorSeconds = (): number => 0

export const processorName = (): string => `browser, ${navigator.hardwareConcurrency || 1} threads`
