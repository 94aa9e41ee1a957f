// Opens the pages of a running service in Chromium: `node browser.cjs BASE FOLDER`. Fails if a page
// writes an error to the console, has a script other than the daemon's own, loads anything from
// elsewhere, is wider than the screen, or has a fault that axe-core calls serious or critical, in light
// or dark. Screenshots go to FOLDER.
const fs = require('node:fs')
const path = require('node:path')
const { chromium } = require('playwright-core')

const [base, folder] = process.argv.slice(2)
const axe = fs.readFileSync(require.resolve('axe-core'), 'utf8')
const WIDTHS = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }

async function pages () {
  const status = await (await fetch(`${base}/api/v1/status`)).json()
  const found = await (await fetch(`${base}/api/v1/search?q=alert`)).json()
  const [hostile] = found.records
  if (!hostile) throw new Error('no hostile record is found')
  const sample = (await (await fetch(`${base}/api/v1/changes?since=0&limit=1`)).text()).split('\n')[0]
  const pass = status.sources.find((source) => source.name === 'demo').passes[0].id
  const record = (r) => `/record?${new URLSearchParams({ identifier: r.identifier, source: r.source })}`
  return {
    status: ['/', 200],
    source: ['/source/demo', 200],
    'source-hostile': ['/source/hostile', 200],
    pass: [`/source/demo/pass/${pass}`, 200],
    'status-filtered': ['/?state=problems&q=o&sort=name', 200],
    output: ['/output/vufind', 200],
    outputs: ['/outputs', 200],
    'quarantine-list': ['/quarantine', 200],
    duplicates: ['/duplicates', 200],
    review: ['/duplicates/review', 200],
    api: ['/api', 200],
    'sign-in': ['/sign-in?next=/source/demo', 200],
    'search-empty': ['/search', 200],
    search: ['/search?q=alert', 200],
    'search-nothing': ['/search?q=%3Cscript%3Ealert(1)%3C/script%3E+nothing', 200],
    record: [record(JSON.parse(sample)), 200],
    'record-hostile': [record(hostile), 200],
    quarantine: ['/quarantine/1', 200],
    nothing: ['/nothing', 404],
    'not-found': ['/source/%3Cscript%3Ealert(1)%3C%2Fscript%3E', 404]
  }
}

// The sample of matches that the page of duplicates and the page to judge them show.
async function drawsASample () {
  const body = new URLSearchParams({ action: 'draw', token: 'let-me-in-please' })
  await fetch(`${base}/duplicates/review`, { method: 'POST', body, redirect: 'manual' })
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const page = await (await fetch(`${base}/duplicates/review`)).text()
    if (page.includes('id="pair-')) return
  }
  throw new Error('no sample of matches is drawn')
}

async function main () {
  await drawsASample()
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage']
  })
  const faults = []
  let looked = 0
  const views = Object.entries(WIDTHS).flatMap(([screen, viewport]) =>
    ['light', 'dark'].map((colorScheme) => [screen, colorScheme, viewport]))
  for (const [screen, colorScheme, viewport] of views) {
    const context = await browser.newContext({ viewport, colorScheme, isMobile: screen === 'phone' })
    for (const [name, [address, wanted]] of Object.entries(await pages())) {
      const page = await context.newPage()
      const fault = (text) => faults.push(`${name} (${screen}, ${colorScheme}): ${text}`)
      page.on('console', (message) => {
        const expected = wanted !== 200 && message.text().includes(`status of ${wanted}`)
        if (['error', 'warning'].includes(message.type()) && !expected) fault(`console: ${message.text()}`)
      })
      page.on('pageerror', (error) => fault(`error: ${error.message}`))
      page.on('dialog', (dialog) => { fault(`dialog: ${dialog.message()}`); dialog.dismiss() })
      page.on('request', (request) => {
        if (!/^(data:|about:)/.test(request.url()) && !request.url().startsWith(base)) {
          fault(`asks for ${request.url()}`)
        }
      })
      const response = await page.goto(base + address, { waitUntil: 'load' })
      if (response.status() !== wanted) fault(`status ${response.status()}`)
      await page.screenshot({ path: path.join(folder, `${name}-${screen}-${colorScheme}.png`), fullPage: true })
      const facts = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        scripts: [...document.scripts].filter((script) => script.getAttribute('src') !== '/page.js').length,
        images: document.images.length,
        heading: document.querySelectorAll('h1').length
      }))
      if (facts.width > 0) fault(`is ${facts.width} pixels wider than the screen`)
      if (facts.scripts + facts.images > 0) fault('has scripts of others, or images')
      if (facts.heading < 1) fault('has no heading')
      // All that can be unfolded is looked at too.
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true }))
      await page.evaluate(axe)
      const found = await page.evaluate(() => window.axe.run(document))
      for (const violation of found.violations) {
        const at = violation.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')
        const text = `axe: ${violation.impact} ${violation.id} at ${at}: ${violation.help}`
        if (['serious', 'critical'].includes(violation.impact)) fault(text)
        else console.log(`${name} (${screen}, ${colorScheme}): ${text}`)
      }
      looked += 1
      await page.close()
    }
    await context.close()
  }
  faults.push(...await changesSomething(browser), ...await renewsItself(browser))
  await browser.close()
  for (const fault of faults) console.error(fault)
  console.log(`${looked} pages looked at, ${faults.length} faults`)
  process.exitCode = faults.length > 0 ? 1 : 0
}

// Signing in and a form work in a browser, with all that a browser sends along.
async function changesSomething (browser) {
  const context = await browser.newContext()
  const page = await context.newPage()
  const faults = []
  await page.goto(`${base}/source/demo`)
  await page.click('main a[href^="/sign-in"]')
  await page.fill('#token', 'wrong')
  await page.click('main button')
  const refused = await page.textContent('[role=status]')
  if (!refused.includes('the token is wrong')) faults.push(`sign-in with a wrong token: ${refused}`)
  await page.goto(`${base}/source/demo`)
  await page.click('main a[href^="/sign-in"]')
  await page.fill('#token', 'let-me-in-please')
  await page.click('main button')
  if (!page.url().endsWith('/source/demo')) faults.push(`sign-in leads to ${page.url()}`)
  await page.click('button[value=pause]')
  const text = await page.textContent('[role=status]')
  if (!text.includes('Paused')) faults.push(`form: ${text}`)
  // A run that is under way ends first.
  let resumes = 0
  for (const end = Date.now() + 20_000; resumes !== 1 && Date.now() < end;) {
    await page.goto(`${base}/source/demo`)
    resumes = await page.locator('button[value=resume]').count()
  }
  if (resumes !== 1) faults.push('no button to resume')
  await page.click('form.account button')
  await page.goto(`${base}/source/demo`)
  if (await page.locator('button[value=resume]').count()) faults.push('still signed in')
  await context.close()
  return faults
}

// The script replaces the content in its place.
async function renewsItself (browser) {
  const page = await browser.newPage()
  await page.clock.install()
  await page.goto(`${base}/?refresh=60`)
  await page.evaluate(() => { document.getElementById('live').dataset.old = 'yes' })
  await page.clock.runFor(61_000)
  const renewed = page.waitForFunction(() => !document.getElementById('live').dataset.old, null, { timeout: 20_000 })
  const faults = await renewed.then(() => [], () => ['the page does not renew itself'])
  await page.close()
  return faults
}

main().catch((error) => { console.error(error); process.exitCode = 1 })
