package local

import "strings"

// words are one language's.
type words struct {
	name string
	// meet begin a text about a thing, {} is its name; lead begin one that
	// already says something. By tone.
	meet, lead map[string][]string
	// link and ask end a text: with an address, and without.
	link, ask []string
	audience  string // {} is who it is for
	articles  []string
	common    string // words that tell the language, and no topic
}

var english = &words{
	name: "en",
	meet: map[string][]string{
		"friendly":     {"Say hello to {}.", "Meet {}.", "Let's talk about {}.", "A little news from us: {}."},
		"professional": {"Introducing {}.", "We are pleased to present {}.", "In focus: {}."},
		"playful":      {"Psst… have you seen {}? ✨", "Guess what: {}! 🎉", "Drumroll, please… {}! 🥁"},
		"bold":         {"{}. It's here.", "This is {}.", "Stop scrolling: {}."},
	},
	lead: map[string][]string{
		"friendly":     {"Good news:", "Something for you:", "A quick update from us:", ""},
		"professional": {"For your attention:", "An update:", ""},
		"playful":      {"Guess what? ✨", "Psst… 🤫", "Ta-da! 🎉"},
		"bold":         {"Listen up.", "Here it is.", "No small talk:"},
	},
	link:     []string{"All the details: {}", "Find out more: {}", "Have a look: {}", "Read on here: {}"},
	ask:      []string{"What do you think?", "Tell us in the comments.", "Save this for later.", "Know somebody who would like it? Pass it on."},
	audience: "For {}.",
	articles: []string{"our", "the", "a", "an", "my", "your", "this", "these"},
	common:   " the and our for with you your are this that from new now have will been here what about all can out ",
}

var german = &words{
	name: "de",
	meet: map[string][]string{
		"friendly":     {"Darf ich vorstellen: {}.", "Neues von uns: {}.", "Heute geht es um {}."},
		"professional": {"Wir stellen vor: {}.", "Im Blickpunkt: {}."},
		"playful":      {"Trommelwirbel, bitte… {}! 🥁", "Ratet mal: {}! 🎉"},
		"bold":         {"{}. Jetzt.", "Das ist {}."},
	},
	lead: map[string][]string{
		"friendly": {"Gute Nachrichten:", "Für euch:", "Kurz von uns:"}, "professional": {"Zur Information:", ""},
		"playful": {"Ratet mal! ✨", "Psst… 🤫"}, "bold": {"Kurz und klar:", "Aufgepasst."},
	},
	link: []string{"Alle Details: {}", "Mehr dazu: {}", "Hier entlang: {}"}, ask: []string{"Was meint ihr?", "Schreibt es uns in die Kommentare.", "Gern weitersagen."},
	audience: "Für {}.", articles: []string{"unser", "unsere", "der", "die", "das", "ein", "eine"},
	common: " der die das und ist für mit wir ihr sie ein eine auf neu nicht jetzt ab unser unsere von zu ",
}

var spanish = &words{
	name: "es",
	meet: map[string][]string{
		"friendly": {"Os presentamos {}.", "Novedades: {}.", "Hoy hablamos de {}."}, "professional": {"Presentamos {}.", "En detalle: {}."},
		"playful": {"¿Adivinas? ¡{}! 🎉", "Redoble de tambores… ¡{}! 🥁"}, "bold": {"{}. Ya está aquí.", "Esto es {}."},
	},
	lead: map[string][]string{
		"friendly": {"Buenas noticias:", "Algo para ti:"}, "professional": {"Información:", ""},
		"playful": {"¿Adivinas? ✨", "Psst… 🤫"}, "bold": {"Sin rodeos:", "Atención."},
	},
	link: []string{"Todos los detalles: {}", "Más información: {}"}, ask: []string{"¿Qué te parece?", "Cuéntanos en los comentarios.", "Guárdalo para luego."},
	audience: "Para {}.", articles: []string{"nuestro", "nuestra", "el", "la", "los", "las", "un", "una"},
	common: " el la los las de que y en un una para con nuestro nuestra nuevo nueva por es ya tu su ",
}

var french = &words{
	name: "fr",
	meet: map[string][]string{
		"friendly": {"Voici {}.", "Du nouveau chez nous : {}.", "Parlons de {}."}, "professional": {"Nous vous présentons {}.", "En bref : {}."},
		"playful": {"Devinez quoi ? {} ! 🎉", "Roulement de tambour… {} ! 🥁"}, "bold": {"{}. C'est là.", "Voilà {}."},
	},
	lead: map[string][]string{
		"friendly": {"Bonne nouvelle :", "Pour vous :"}, "professional": {"Information :", ""},
		"playful": {"Devinez quoi ? ✨", "Psst… 🤫"}, "bold": {"Sans détour :", "Attention."},
	},
	link: []string{"Tous les détails : {}", "En savoir plus : {}"}, ask: []string{"Qu'en pensez-vous ?", "Dites-le-nous en commentaire.", "À garder pour plus tard."},
	audience: "Pour {}.", articles: []string{"notre", "nos", "le", "la", "les", "un", "une"},
	common: " le la les des et est pour avec nous vous une un notre nos nouveau nouvelle sur dans qui que du ",
}

var languages = []*words{english, german, spanish, french}

// plain is for a language that nobody wrote templates for: the brief speaks for
// itself.
var plain = &words{
	name: "", meet: map[string][]string{"friendly": {"{}"}}, lead: map[string][]string{"friendly": {""}}, link: []string{"{}"},
}

// languageOf is the language that is asked for, or else the one the brief looks
// like. One that there are no templates for, asked for or in another script,
// gets none.
func languageOf(asked, brief string) *words {
	if asked != "" {
		base, _, _ := strings.Cut(strings.ToLower(asked), "-")
		for _, w := range languages {
			if w.name == base {
				return w
			}
		}
		return plain
	}
	if !latin(brief) {
		return plain
	}
	best, most := english, 0
	for _, w := range languages {
		n := 0
		for _, word := range strings.Fields(strings.ToLower(brief)) {
			if strings.Contains(w.common, " "+strings.Trim(word, ".,!?:;")+" ") {
				n++
			}
		}
		if n > most {
			best, most = w, n
		}
	}
	return best
}

// latin reports whether most letters of s are.
func latin(s string) bool {
	in, all := 0, 0
	for _, r := range s {
		if r > 127 || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			all++
			if r < 0x250 {
				in++
			}
		}
	}
	return in*2 >= all
}
