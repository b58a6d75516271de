import packageJson from '../package.json' with { type: 'json' }

declare const BUILD_COMMIT: string | undefined

export const version: string = packageJson.version
/** The commit that dist/ was built from; "source" where the sources run as they are. */
export const commit: string = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'source'
