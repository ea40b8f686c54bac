package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/adapters/mailbox"
	"github.com/carillonhq/carillon/adapters/smtp"
)

// openMail is who carries letters: a server or, in development, a folder.
func (k *kernel) openMail() (err error) {
	if k.cfg.Mailbox != "" {
		k.mailbox, err = mailbox.Open(k.cfg.Mailbox, time.Now)
		k.mail = k.mailbox
		return err
	}
	if k.cfg.MailURL == "" {
		return errors.New("CARILLON_MAIL_URL is not set; people could not confirm their address")
	}
	c, err := smtp.ParseURL(k.cfg.MailURL, k.cfg.MailFrom)
	if err != nil {
		return fmt.Errorf("CARILLON_MAIL_URL: %w", err)
	}
	k.mail, err = smtp.New(c)
	return err
}
