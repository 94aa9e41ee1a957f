// Imports RIS or BibTeX with the translators of Zotero and its engine, and prints what it got.
//
// node zotero.js FILE EXPECTED
//
// A tag that Zotero keeps as a note since it has no field for it, or another number of items, fails.
const fs = require('fs')
const translators = require('zotero-translators')

const [file, expected] = process.argv.slice(2)
// The engine tells all that it does on the standard output.
const complaints = []
const write = process.stdout.write.bind(process.stdout)
const listen = (chunk) => {
  for (const line of String(chunk).split('\n')) {
    // While it guesses the format, readers of other formats fail.
    const complaint = line.match(/(Unknown field|Invalid field|Unhandled)\b.*/)
    if (complaint) complaints.push(complaint[0])
  }
  return true
}
process.stdout.write = listen
process.stderr.write = listen
const say = (text) => write(text + '\n')

// The importer guesses the format from the beginning and takes one file at once.
translators.referenceImport(fs.readFileSync(file, 'utf8')).then(
  (references) => {
    const items = references.filter((item) => item.itemType !== 'note' && item.itemType !== 'attachment')
    const counted = {}
    complaints.forEach((line) => (counted[line] = (counted[line] || 0) + 1))
    say(`Zotero: ${file.replace(/.*\//, '')}: ${items.length} items, ${complaints.length} complaints`)
    Object.entries(counted)
      .slice(0, 20)
      .forEach(([line, count]) => say(`  ${count} times: ${line}`))
    process.exit(items.length === Number(expected) && !complaints.length ? 0 : 1)
  },
  (error) => {
    complaints.slice(-5).forEach((line) => say(`  ${line}`))
    say(`Zotero: ${file}: ${error && error.stack ? error.stack : JSON.stringify(error)}`)
    process.exit(1)
  },
)
