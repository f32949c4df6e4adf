package statement

import (
	"iter"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// inside gives the messages that stand directly in one of a parse tree, those of a list
// in their order.
func inside(m protoreflect.Message) iter.Seq[protoreflect.Message] {
	return func(yield func(protoreflect.Message) bool) {
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if fd.Kind() != protoreflect.MessageKind {
				return true
			}
			if !fd.IsList() {
				return yield(v.Message())
			}
			for i := range v.List().Len() {
				if !yield(v.List().Get(i).Message()) {
					return false
				}
			}
			return true
		})
	}
}
