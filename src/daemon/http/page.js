// Renews a page in its place, so that the scroll position and the keyboard focus stay. Without scripts the
// browser reloads the page.
'use strict'
const seconds = Number(document.currentScript.dataset.refresh)
const live = () => document.getElementById('live')

async function renew () {
  const focused = document.activeElement
  const isUsed = focused && live().contains(focused) && focused !== document.body
  if (document.hidden || isUsed || String(window.getSelection())) return
  const response = await fetch(window.location.href)
  if (!response.ok) return
  const next = new DOMParser().parseFromString(await response.text(), 'text/html')
  const part = next.getElementById('live')
  if (!part) return
  live().replaceWith(document.adoptNode(part))
  document.title = next.title
  const icon = document.querySelector('link[rel=icon]')
  const nextIcon = next.querySelector('link[rel=icon]').getAttribute('href')
  if (icon.getAttribute('href') !== nextIcon) icon.setAttribute('href', nextIcon)
}

// A daemon that does not answer is asked again the next time.
setInterval(() => { renew().catch(() => {}) }, seconds * 1000)
