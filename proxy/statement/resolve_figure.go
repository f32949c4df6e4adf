package statement

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// figureName gives the name of a result column without AS, as the server's
// FigureColname does.
func figureName(n *pg.Node) string {
	if name, _ := figure(n); name != "" {
		return name
	}
	return "?column?"
}

// figure returns the name and how strong it is: 2 beats the name of a cast's type.
func figure(n *pg.Node) (string, int) {
	switch v := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		return lastName(v.ColumnRef.Fields), 2
	case *pg.Node_AIndirection:
		if name := lastName(v.AIndirection.Indirection); name != "" {
			return name, 2
		}
		return figure(v.AIndirection.Arg)
	case *pg.Node_FuncCall:
		return lastName(v.FuncCall.Funcname), 2
	case *pg.Node_AExpr:
		if v.AExpr.Kind == pg.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
	case *pg.Node_TypeCast:
		if name, strength := figure(v.TypeCast.Arg); strength > 1 {
			return name, strength
		}
		return lastName(v.TypeCast.TypeName.GetNames()), 1
	case *pg.Node_CollateClause:
		return figure(v.CollateClause.Arg)
	case *pg.Node_GroupingFunc:
		return "grouping", 2
	case *pg.Node_SubLink:
		return figureSubLink(v.SubLink)
	case *pg.Node_CaseExpr:
		if name, strength := figure(v.CaseExpr.Defresult); strength > 1 {
			return name, strength
		}
		return "case", 1
	case *pg.Node_AArrayExpr:
		return "array", 2
	case *pg.Node_RowExpr:
		return "row", 2
	case *pg.Node_CoalesceExpr:
		return "coalesce", 2
	case *pg.Node_MinMaxExpr:
		if v.MinMaxExpr.Op == pg.MinMaxOp_IS_LEAST {
			return "least", 2
		}
		return "greatest", 2
	case *pg.Node_SqlvalueFunction:
		name := strings.ToLower(strings.TrimPrefix(v.SqlvalueFunction.Op.String(), "SVFOP_"))
		return strings.TrimSuffix(name, "_n"), 2
	case *pg.Node_XmlExpr:
		return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(v.XmlExpr.Op.String(), "IS_")), "_", ""), 2
	case *pg.Node_XmlSerialize:
		return "xmlserialize", 2
	}
	return "", 0
}

func figureSubLink(l *pg.SubLink) (string, int) {
	switch l.SubLinkType {
	case pg.SubLinkType_EXISTS_SUBLINK:
		return "exists", 2
	case pg.SubLinkType_ARRAY_SUBLINK:
		return "array", 2
	case pg.SubLinkType_EXPR_SUBLINK:
		if list := l.Subselect.GetSelectStmt().GetTargetList(); len(list) > 0 {
			if r := list[0].GetResTarget(); r != nil {
				if r.Name != "" {
					return r.Name, 2
				}
				return figure(r.Val)
			}
		}
	}
	return "", 0
}

// lastName gives the last string of a qualified name.
func lastName(nodes []*pg.Node) string {
	names := stringNodes(nodes)
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}
