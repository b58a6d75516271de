// What all reports are: one page of HTML that opens without a network, in sections.
import { type Html, html } from './html.js'
import { reportStyle } from './style.js'

// Nothing is fetched or run, whatever a name in the data says.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'"

interface Page {
  readonly name: string
  /** What the reader asks, and the answer in a sentence. */
  readonly question?: string | undefined
  readonly answer?: string | Html
  /** Of this project. */
  readonly version: string
  /** CSS beside the reports' own. */
  readonly style?: string
  /** Below the answer. */
  readonly lead: Html
  readonly main: Html
}

/** A whole HTML document. */
export const pageOf = ({ name, question, answer, version, style = '', lead, main }: Page): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="wgpu-retrieve ${version}">
<title>${name}</title>
<style>${{ html: `${reportStyle}${style}` }}</style>
</head>
<body>
<header>
<h1>${name}</h1>
${question ? html`<p class="question">${question}</p>` : ''}
${answer ? html`<p class="answer">${answer}</p>` : ''}
${lead}
</header>
<main>
${main}
</main>
</body>
</html>
`.html

export const section = (title: string, content: Html): Html => html`<section>
<h2>${title}</h2>
${content}
</section>`
