// Opens the pages of a running service in Chromium: `node browser.cjs BASE FOLDER`. Fails if a page
// writes an error to the console, runs a script, loads anything from elsewhere, is wider than the
// screen, or has a fault that axe-core calls serious or critical. Screenshots go to FOLDER.
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
    output: ['/output/vufind', 200],
    search: ['/search?q=alert', 200],
    'search-nothing': ['/search?q=%3Cscript%3Ealert(1)%3C/script%3E+nothing', 200],
    record: [record(JSON.parse(sample)), 200],
    'record-hostile': [record(hostile), 200],
    quarantine: ['/quarantine/1', 200],
    'not-found': ['/source/%3Cscript%3Ealert(1)%3C%2Fscript%3E', 404]
  }
}

async function main () {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage']
  })
  const faults = []
  let looked = 0
  for (const [screen, viewport] of Object.entries(WIDTHS)) {
    const context = await browser.newContext({ viewport, isMobile: screen === 'phone' })
    for (const [name, [address, wanted]] of Object.entries(await pages())) {
      const page = await context.newPage()
      const fault = (text) => faults.push(`${name} (${screen}): ${text}`)
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
      await page.screenshot({ path: path.join(folder, `${name}-${screen}.png`), fullPage: true })
      const facts = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        scripts: document.scripts.length,
        images: document.images.length,
        heading: document.querySelectorAll('h1').length
      }))
      if (facts.width > 0) fault(`is ${facts.width} pixels wider than the screen`)
      if (facts.scripts + facts.images > 0) fault('has scripts or images')
      if (facts.heading < 1) fault('has no heading')
      // All that can be unfolded is looked at too.
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true }))
      await page.evaluate(axe)
      const found = await page.evaluate(() => window.axe.run(document))
      for (const violation of found.violations) {
        const at = violation.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')
        const text = `axe: ${violation.impact} ${violation.id} at ${at}: ${violation.help}`
        if (['serious', 'critical'].includes(violation.impact)) fault(text)
        else console.log(`${name} (${screen}): ${text}`)
      }
      looked += 1
      await page.close()
    }
    await context.close()
  }
  faults.push(...await changesSomething(browser))
  await browser.close()
  for (const fault of faults) console.error(fault)
  console.log(`${looked} pages looked at, ${faults.length} faults`)
  process.exitCode = faults.length > 0 ? 1 : 0
}

// The form works in a browser, with all that a browser sends along.
async function changesSomething (browser) {
  const page = await browser.newPage()
  const faults = []
  for (const [token, said] of [['wrong', 'the token is wrong'], ['let-me-in-please', 'Paused']]) {
    await page.goto(`${base}/source/demo`)
    await page.fill('#token', token)
    await page.click('button[value=pause]')
    const text = await page.textContent('[role=status]')
    if (!text.includes(said)) faults.push(`form with ${token}: ${text}`)
  }
  // A run that is under way ends first.
  let resumes = 0
  for (const end = Date.now() + 20_000; resumes !== 1 && Date.now() < end;) {
    await page.goto(`${base}/source/demo`)
    resumes = await page.locator('button[value=resume]').count()
  }
  if (resumes !== 1) faults.push('no button to resume')
  await page.close()
  return faults
}

main().catch((error) => { console.error(error); process.exitCode = 1 })
