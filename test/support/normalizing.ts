// A normalizer of tokenizer.json as a function of texts: behind it a model that knows nothing but bytes.
import { tokenizerFromFiles } from '../../src/text/tokenizer.js'

const bytePiece = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`

const pieces = ['<unk>', ...Array.from({ length: 256 }, (_, byte) => bytePiece(byte))]

export async function normalizing(normalizer: object): Promise<(texts: readonly string[]) => string[]> {
  const json = {
    added_tokens: [],
    normalizer,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: 'Unigram', unk_id: 0, byte_fallback: true, vocab: pieces.map(piece => [piece, -1]) },
  }
  const bytes = new TextEncoder().encode(JSON.stringify(json))
  const tokenizer = await tokenizerFromFiles({ 'tokenizer.json': bytes }, 'x')
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return texts => {
    const { ids, offsets } = tokenizer.encode(texts)
    const normalized = Uint8Array.from(ids, id => id - 1)
    return texts.map((_, i) => decoder.decode(normalized.subarray(offsets[i], offsets[i + 1])))
  }
}
