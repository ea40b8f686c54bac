// Package letters decides what a letter to a person looks like, and in whose
// name it is sent.
//
// The words are those of whoever writes the letter; the head is a brand's. Both
// end in the subject, in a plain text and in a page, and what people typed (a
// name of a tenant, of a product) is never more than words there: it becomes no
// header, no link and no markup.
//
// Start with Letter.Under.
package letters

import (
	"html/template"
	"strings"
	"unicode"

	"github.com/carillonhq/carillon/ports/mail"
)

// A Head is in whose name a letter is.
type Head struct {
	Home     string // where its links begin, such as "https://social.example.com"
	Product  string // what the product is called; Product in a letter's words stands for it
	Support  string // a mail address; empty: none is shown
	Logo     string // the address of a picture; empty: none is shown
	Accent   string // "#rrggbb", legible on white; empty: the reader's own
	FromName string // who it is from; empty: Product
	From     string // an address that its owner has proved; empty: the installation's
	ReplyTo  string // empty: wherever it came from
}

// Product stands for the name of the product in the words of a letter.
const Product = "{product}"

// A Letter is its words.
type Letter struct {
	ID      string // stable over retries
	Kind    string // what it is about, for metrics
	To      string
	Subject string
	Before  string // the paragraph above the link
	Label   string // of the link
	Link    string // empty: it has none
	After   string // the paragraph below it
}

// Under is the letter as it is sent, with h at its head.
func (l Letter) Under(h Head) (mail.Message, error) {
	product := Plain(h.Product)
	if product == "" {
		product = "Carillon"
	}
	for _, words := range []*string{&l.Subject, &l.Before, &l.Label, &l.After} {
		*words = strings.ReplaceAll(*words, Product, product)
	}
	from := Plain(h.FromName)
	if from == "" {
		from = product
	}
	var page strings.Builder
	if err := pages.Execute(&page, struct {
		Letter
		Head
		Name string
	}{l, h, product}); err != nil {
		return mail.Message{}, err
	}
	return mail.Message{
		ID: l.ID, Kind: l.Kind, To: l.To, Subject: l.Subject, Text: l.text(h, product), HTML: page.String(),
		FromName: from, From: h.From, ReplyTo: h.ReplyTo,
	}, nil
}

func (l Letter) text(h Head, product string) string {
	paragraphs := []string{l.Before}
	if l.Link != "" {
		paragraphs = append(paragraphs, l.Link)
	}
	if l.After != "" {
		paragraphs = append(paragraphs, l.After)
	}
	foot := "-- \n" + product
	if h.Support != "" {
		foot += "\n" + h.Support
	}
	return strings.Join(append(paragraphs, foot), "\n\n") + "\n"
}

var pages = template.Must(template.New("letter").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:2em auto;padding:0 1em">
{{with .Logo}}<p><img src="{{.}}" alt="{{$.Name}}" style="max-width:12em;max-height:4em"></p>
{{end}}<p>{{.Before}}</p>
{{with .Link}}<p><a href="{{.}}"{{with $.Accent}} style="color:{{.}}"{{end}}>{{$.Label}}</a></p>
{{end}}{{with .After}}<p>{{.}}</p>
{{end}}<p style="color:#666">{{.Name}}{{with .Support}}<br><a href="mailto:{{.}}" style="color:#666">{{.}}</a>{{end}}</p>
</body></html>
`))

// maxShown is how much of a name a letter shows, in characters.
const maxShown = 60

// Plain is what of a name cannot be read as an address or as markup, on one
// line: else anybody could have this product mail anything to anyone.
func Plain(name string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("&'-, ", r) {
			return r
		}
		return ' '
	}, name)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	return string(runes[:min(len(runes), maxShown)])
}
