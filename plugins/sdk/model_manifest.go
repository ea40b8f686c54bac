package sdk

import (
	"github.com/carillonhq/carillon/ports/social"
)

// maxModels is how many models a manifest lists.
const maxModels = 500

func checkModel(m social.Manifest) error {
	if m.Model == nil {
		return nil
	}
	if len(m.Model.Models) > maxModels || len(m.Model.Tasks) > maxList {
		return invalid("model", "over %d models", maxModels)
	}
	if err := m.Model.Check(); err != nil {
		return invalid("model", "%v", err)
	}
	for _, x := range m.Model.Models {
		if len(x.ID) > maxName*2 || len(x.Name) > maxName*2 || len(x.Prices) > maxList || len(x.Features) > maxList {
			return invalid("model/models", "%.40q is over a limit", x.ID)
		}
		if len(x.Params) > 0 {
			if err := checkSchema("model/models/"+x.ID, x.Params); err != nil {
				return err
			}
		}
	}
	return nil
}
