#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes org.agentctl.Locks(5), in reStructuredText, from the documented interface XML.

    interface-page.py INTERFACE.xml VERSION >PAGE.rst

A comment belongs to the element after it: its first line names the element ("Acquire:"), lines "@NAME: text"
describe arguments, the rest is paragraphs and lists ("- name (type): text").
"""
import re
import sys
import xml.parsers.expat

HEAD = """.. SPDX-License-Identifier: MIT

{line}
{name}
{line}

{dashes}
{summary}
{dashes}

:Manual section: 5
:Manual group: agentctl-locks
:Version: agentctl-locks {version}

"""
FOOT = """SEE ALSO
========

**agentctl-locks**\\ (1), **agentctl-locksd**\\ (8), **agentctl-locks.conf**\\ (5), **busctl**\\ (1), **gdbus**\\ (1)
"""
EXAMPLES = """EXAMPLES
========

Lock a directory for process 4711, and hear what happens to locks::

    busctl --user call org.agentctl.Locks /org/agentctl/Locks org.agentctl.Locks \\
      Acquire 'sa{sv}' /home/ann/src/app 2 pid u 4711 reason s 'nightly build'
    gdbus monitor --session --dest org.agentctl.Locks --object-path /org/agentctl/Locks

Ask on the direct socket, without a bus::

    busctl --address=unix:path=$XDG_RUNTIME_DIR/agentctl-locks/bus call org.agentctl.Locks \\
      /org/agentctl/Locks org.agentctl.Locks Check s /home/ann/src/app

"""


class Member:
    def __init__(self, element, attributes, comment):
        self.element, self.name, self.type = element, attributes["name"], attributes.get("type")
        self.comment, self.args = comment, []


def read(path):
    """(the comment of the node, members in the order of the file)"""
    parser = xml.parsers.expat.ParserCreate()
    state = {"comment": "", "node": ""}
    members = []

    def start(element, attributes):
        if element == "interface":
            state["node"] = state["comment"]
        elif element in ("method", "signal", "property"):
            members.append(Member(element, attributes, state["comment"]))
        elif element == "arg":
            members[-1].args.append((attributes["name"], attributes["type"], attributes.get("direction", "out")))
        else:
            return
        state["comment"] = ""

    def comment(text):
        state["comment"] = text

    parser.StartElementHandler, parser.CommentHandler = start, comment
    with open(path, "rb") as file:
        parser.ParseFile(file)
    return state["node"], members


def inline(text):
    """`x` is as it is typed; what would mean something to reStructuredText does not."""
    def plain(part):
        return re.sub(r"@(\w+)", r"*\1*", re.sub(r"([*|\\])", r"\\\1", part))

    text = text[:1].upper() + text[1:]
    return "".join(f"``{part}``" if i % 2 == 1 else plain(part) for i, part in enumerate(re.split(r"`([^`]*)`", text)))


def paragraphs(text):
    return [" ".join(block.split()) if not block.lstrip().startswith("- ") else block
            for block in re.split(r"\n[ \t]*\n", text.strip("\n")) if block.strip()]


def items(block):
    """(term, text) of "- term: text" lines, which go on where they are indented."""
    found = []
    for line in block.splitlines():
        line = line.strip()
        if line.startswith("- "):
            found.append(line[2:])
        else:
            found[-1] += " " + line
    return [item.split(": ", 1) for item in found]


def term(text):
    """"pid (u)", "agent, session, reason (s)", "shared (b), subtree (b)": the names as they are typed."""
    return re.sub(r"[A-Za-z][A-Za-z-]*(?=,| \(|$)", lambda match: f"``{match[0]}``", text)


def body(blocks):
    out = []
    for block in blocks:
        if block.lstrip().startswith("- "):
            for name, text in items(block):
                out += [term(name), "    " + inline(text), ""]
        else:
            out += [inline(block), ""]
    return out


def signature(member):
    if member.element == "property":
        return f"**{member.name}** → ``{member.type}``"
    sides = {way: ", ".join(f"``{kind}`` *{name}*" for name, kind, direction in member.args if direction == way)
             for way in ("in", "out")}
    if member.element == "signal":
        return f"**{member.name}** ({sides['out']})"
    return f"**{member.name}** ({sides['in']}) → ({sides['out']})"


def describe(member):
    own = re.sub(rf"^\s*{member.name}:", "", member.comment)
    arguments = re.findall(r"^\s*@(\w[\w-]*): *((?:.+\n)+?)(?=\s*@|\s*\n|\Z)", own, re.M)
    rest = re.sub(r"^\s*@\w[\w-]*: *(?:.+\n)+?(?=\s*@|\s*\n|\Z)", "", own, flags=re.M)
    named = {name for name, _ in arguments}
    missing = {name for name, _, _ in member.args} ^ named
    if missing:
        sys.exit(f"{member.name}: its comment and its arguments differ: {', '.join(sorted(missing))}")
    out = [member.name, "-" * len(member.name), "", signature(member), ""]
    for name, text in arguments:
        out += [f"*{name}*", "    " + inline(" ".join(text.split())), ""]
    return out + body(paragraphs(rest))


def main():
    path, version = sys.argv[1:]
    node, members = read(path)
    name = "org.agentctl.Locks"
    blocks = paragraphs(node)
    summary = re.search(r"@short_description: (.*)", blocks.pop(0))[1].strip()
    errors = next(i for i, block in enumerate(blocks) if block.startswith("Errors are named"))
    facts = next(i for i, block in enumerate(blocks) if block.startswith("A lock, in List"))
    summary = summary[0].lower() + summary[1:]
    out = ["SYNOPSIS", "========", "", "Bus name and interface ``org.agentctl.Locks``, object ``/org/agentctl/Locks``", "",
           "DESCRIPTION", "===========", "", *body(blocks[:errors])]
    for element, title in (("method", "METHODS"), ("signal", "SIGNALS"), ("property", "PROPERTIES")):
        out += [title, "=" * len(title), ""]
        for member in members:
            if member.element == element:
                out += describe(member)
    out += ["A LOCK", "======", "", *body(blocks[facts:]), "ERRORS", "======", "", *body(blocks[errors:facts])]
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(HEAD.format(line="=" * len(name), name=name, dashes="-" * len(summary), summary=summary,
                                 version=version))
    sys.stdout.write("\n".join(out) + "\n" + EXAMPLES + FOOT)


if __name__ == "__main__":
    main()
