package eval

import "mvdan.cc/sh/v3/syntax"

// fixErrexit makes "set -e" work as in dash and bash for lists at the end of compound commands. In
//
//	if a; then b && c; fi
//
// a failing b ends the interpreter, because the status of the whole "if" is not 0. Shells do not look at the status of
// compound commands. The list becomes "if b; then c; fi" where nothing else reads its status.
func fixErrexit(file *syntax.File) {
	fixList(file.Stmts, false, false)
	syntax.Walk(file, func(node syntax.Node) bool {
		switch n := node.(type) {
		case *syntax.FuncDecl:
			fixCompound(n.Body.Cmd, true)
		case *syntax.Subshell:
			fixList(n.Stmts, false, true)
		case *syntax.CmdSubst:
			fixList(n.Stmts, false, true)
		}
		return true
	})
}

// fixList looks at a list of statements. inner: it is that of a compound command. read: its status is the status of
// something that is looked at.
func fixList(list []*syntax.Stmt, inner, read bool) {
	for i, statement := range list {
		if statement.Negated || statement.Background || statement.Coprocess {
			continue
		}
		last := i == len(list)-1
		and, isList := statement.Cmd.(*syntax.BinaryCmd)
		switch {
		case isList && and.Op == syntax.AndStmt && inner && last && !read && len(statement.Redirs) == 0:
			statement.Cmd = &syntax.IfClause{Position: and.Pos(), ThenPos: and.OpPos, FiPos: and.End(),
				Cond: []*syntax.Stmt{and.X}, Then: []*syntax.Stmt{and.Y}}
			fixList([]*syntax.Stmt{and.Y}, true, false)
		case !isList:
			fixCompound(statement.Cmd, last && read)
		}
	}
}

func fixCompound(command syntax.Command, read bool) {
	switch c := command.(type) {
	case *syntax.Block:
		fixList(c.Stmts, true, read)
	case *syntax.IfClause:
		for ; c != nil; c = c.Else {
			fixList(c.Then, true, read)
		}
	case *syntax.WhileClause:
		fixList(c.Do, true, read)
	case *syntax.ForClause:
		fixList(c.Do, true, read)
	case *syntax.CaseClause:
		for _, item := range c.Items {
			fixList(item.Stmts, true, read)
		}
	}
}
