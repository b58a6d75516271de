// A number with its noun, for people: `1 document`, `64 documents`.

export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
