// Queries with what each system found: the best three, the relevant ones marked with a sign and in bold.
import { type Html, html } from './html.js'
import type { ComparisonRecord, Example, ExampleResult } from './record.js'
import { measureTitle, scoreText } from './words.js'

/** The first ones stand open. */
const OPEN = 3
const MOST_CHARACTERS = 160

export function exampleList({ examples, measures }: ComparisonRecord): Html {
  const measure = measureTitle(measures[0] ?? 'score')
  return html`${examples.map((example, i) => exampleEntry(example, measure, i < OPEN))}
<p class="note">The best three of each system; ✓ marks what is relevant. The number is this query’s ${measure}.</p>`
}

function exampleEntry({ test, query, relevant, results }: Example, measure: string, open: boolean): Html {
  return html`<details${{ html: open ? ' open' : '' }}>
<summary><strong>${query}</strong> <small>${test}</small></summary>
<p class="note">Relevant: ${relevant.map(shortened).join(' · ') || 'nothing'}</p>
<div class="found">
${results.map(result => found(result, measure))}</div>
</details>
`
}

const found = ({ system, score, found: texts, rank }: ExampleResult, measure: string) => html`<div>
<h4>${system} <small>${measure} ${scoreText(score, 2)}, ${rank === undefined ? 'nothing relevant found' : `first relevant at rank ${rank}`}</small></h4>
<ol>${texts.map(({ text, relevant }) =>
  relevant
    ? html`<li class="relevant"><span role="img" aria-label="relevant:">✓</span> ${shortened(text)}</li>`
    : html`<li>${shortened(text)}</li>`,
)}</ol>
</div>
`

/** By characters, not by halves of them; a word is not cut unless it is most of the text. */
export function shortened(text: string): string {
  const characters = [...text]
  if (characters.length <= MOST_CHARACTERS) return text
  const cut = characters.slice(0, MOST_CHARACTERS).join('')
  const space = cut.lastIndexOf(' ')
  return `${space > cut.length / 2 ? cut.slice(0, space) : cut}…`
}
