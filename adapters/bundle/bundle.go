// Package bundle decides what a plugin is made of: the folder its author keeps
// (Project), the one file that is handed on (Pack, Read), who vouches for it
// (Sign, Verify) and where an installation keeps it (Store).
//
// A bundle is bound together by its lock, bundle.json, which names every file
// with its digest; the digest of a bundle is that of its lock, and a signature
// covers only that. So a bundle is checked without trusting the archive it
// came in, and again from the files alone each time the plugin starts. Start
// with Project for a plugin at work, with Lock for one that is handed on.
package bundle
