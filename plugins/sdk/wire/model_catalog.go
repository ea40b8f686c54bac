package wire

import (
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/model"
)

// FromModels puts the question for a catalogue on the wire.
func FromModels(r model.ModelsRequest) *pb.ModelsRequest {
	return &pb.ModelsRequest{Call: FromCall(ModelCall(r.Call)), Task: string(r.Task), Cursor: r.Cursor}
}

// ToModels takes the question for a catalogue from the wire.
func ToModels(r *pb.ModelsRequest) model.ModelsRequest {
	return model.ModelsRequest{Call: toModelCall(r.GetCall()), Task: model.Task(r.GetTask()), Cursor: r.GetCursor()}
}

// FromCatalog puts a page of models on the wire.
func FromCatalog(c model.Catalog) *pb.ModelsResponse {
	return &pb.ModelsResponse{Models: each(c.Models, fromModel), Cursor: c.Cursor, CacheFor: fromDuration(c.Fresh)}
}

// ToCatalog takes a page of models from the wire, without those that are not
// sound: a price that is wrong is worse than none.
func ToCatalog(r *pb.ModelsResponse) model.Catalog {
	out := model.Catalog{Cursor: r.GetCursor(), Fresh: max(0, toDuration(r.GetCacheFor()))}
	for _, one := range r.GetModels() {
		if m := toModel(one); m.Check() == nil {
			out.Models = append(out.Models, m)
		}
	}
	return out
}

func fromModelManifest(m *model.Manifest) *pb.ModelManifest {
	if m == nil {
		return nil
	}
	return &pb.ModelManifest{Tasks: each(m.Tasks, text[model.Task]), DynamicModels: m.Dynamic, Models: each(m.Models, fromModel)}
}

func toModelManifest(m *pb.ModelManifest) *model.Manifest {
	if m == nil {
		return nil
	}
	return &model.Manifest{Tasks: each(m.GetTasks(), word[model.Task]), Dynamic: m.GetDynamicModels(), Models: each(m.GetModels(), toModel)}
}

func fromModel(m model.Model) *pb.ModelInfo {
	return &pb.ModelInfo{
		Id: m.ID, Name: m.Name, Tasks: each(m.Tasks, text[model.Task]), ParamsSchema: m.Params, Prices: each(m.Prices, fromPrice),
		ContextTokens: int64(m.ContextTokens), MaxOutputTokens: int64(m.MaxOutputTokens), Dimensions: int64(m.Dimensions),
		InputMimes: m.InputMIMEs, OutputMimes: m.OutputMIMEs, Features: each(m.Features, text[model.Feature]),
		Typical: fromDuration(m.Typical), Deprecated: m.Deprecated, Successor: m.Successor,
	}
}

func toModel(m *pb.ModelInfo) model.Model {
	return model.Model{
		ID: m.GetId(), Name: m.GetName(), Tasks: each(m.GetTasks(), word[model.Task]), Params: m.GetParamsSchema(), Prices: each(m.GetPrices(), toPrice),
		ContextTokens: int(m.GetContextTokens()), MaxOutputTokens: int(m.GetMaxOutputTokens()), Dimensions: int(m.GetDimensions()),
		InputMIMEs: m.GetInputMimes(), OutputMIMEs: m.GetOutputMimes(), Features: each(m.GetFeatures(), word[model.Feature]),
		Typical: toDuration(m.GetTypical()), Deprecated: m.GetDeprecated(), Successor: m.GetSuccessor(),
	}
}

func fromPrice(p model.Price) *pb.Price {
	return &pb.Price{
		Unit: string(p.Unit), NanoAmount: p.Amount.Nano, Currency: p.Amount.Currency, Per: p.Per,
		When: p.When, ValidFrom: fromTime(p.From),
	}
}

func toPrice(p *pb.Price) model.Price {
	return model.Price{
		Unit: model.Unit(p.GetUnit()), Amount: model.Money{Nano: p.GetNanoAmount(), Currency: p.GetCurrency()}, Per: p.GetPer(),
		When: p.GetWhen(), From: toTime(p.GetValidFrom()),
	}
}

func text[W ~string](w W) string { return string(w) }

func word[W ~string](s string) W { return W(s) }
