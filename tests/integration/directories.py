# SPDX-License-Identifier: MIT
"""Which directory, not which spelling."""
import os

import harness
from harness import both_doors


@both_doors
class SameDirectory(harness.Case):
    def assert_same(self, first, second):
        """A lock taken under one name is in the way under the other, and both are listed as one."""
        holder, lock = self.holder(first)
        other = self.agent(second)
        error = self.refused("Held", other.acquire, second)
        self.assertIn(str(holder.pid), error.message)
        # Asked by an agent: where this test needed a user namespace to mount, an ordinary user's service must
        # not look into it, and so cannot tell what a path means here.
        free, blockers = other.call("Check", second)
        self.assertFalse(free)
        self.assertEqual([b["id"] for b in blockers], [lock])
        self.assertEqual([b["id"] for b in other.call("List", harness.options(directory=second))[0]], [lock])
        self.assertEqual(holder.acquire(second), lock)
        return lock

    def test_spelled_with_dots_and_slashes(self):
        place = self.directory("a/b")
        self.assert_same(place, f"{place}//../b/./")

    def test_through_a_symlink(self):
        place = self.directory()
        os.symlink("project", place + "-link")
        lock = self.assert_same(place, place + "-link")
        self.assertEqual(self.me.lock(lock)["directory"], place)

    def test_taken_through_a_symlink_it_is_listed_as_what_it_is(self):
        place = self.directory()
        os.symlink(place, place + "-link")
        lock = self.assert_same(place + "-link", place)
        self.assertEqual(self.me.lock(lock)["directory"], place)

    def test_through_a_symlink_above_it(self):
        place = self.directory("parent/project")
        parent = os.path.dirname(place)
        os.symlink(parent, parent + "-link")
        self.assert_same(place, parent + "-link/project")

    def test_after_its_parent_was_renamed(self):
        place = self.directory("parent/project")
        holder, lock = self.holder(place)
        parent = os.path.dirname(place)
        os.rename(parent, parent + "-moved")
        moved = parent + "-moved/project"
        other = self.agent(moved)
        self.refused("Held", other.acquire, moved)
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [], "a renamed directory is not gone, its holder not outside")
        self.assertEqual([b["id"] for b in other.call("List", harness.options(directory=moved))[0]], [lock])
        self.assertEqual(holder.acquire(moved), lock)
        # What stands under the old name now is another directory.
        again = self.directory("parent/project")
        _, other = self.holder(again)
        self.assertNotEqual(other, lock)

    def test_after_it_was_renamed_itself(self):
        place = self.directory()
        _, lock = self.holder(place)
        os.rename(place, place + "-moved")
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [])
        self.refused("Held", self.agent(place + "-moved").acquire, place + "-moved")

    def test_by_descriptor(self):
        place = self.directory()
        holder = self.agent(place)
        lock = holder.acquire("", directory_fd=holder.open("directory", place))
        self.assertEqual(self.me.lock(lock)["directory"], place)
        self.assertEqual(holder.acquire(place), lock)
        other = self.agent(place)
        self.refused("Held", other.acquire, "", directory_fd=other.open("directory", place))

    def test_a_bind_mount(self):
        place, elsewhere = self.directory(), self.directory("mounted")
        with harness.bind_mount(place, elsewhere):
            self.assert_same(place, elsewhere)
            for agent in self.agents:
                agent.end()

    def test_a_bind_mount_that_only_the_caller_sees(self):
        place, elsewhere = self.directory(), self.directory("mounted")
        _, lock = self.holder(place)
        other = self.agent("/", before_exec=lambda: harness.bind_mount_for_oneself(place, elsewhere))
        other.chdir(elsewhere)
        self.refused("Held", other.acquire, elsewhere)
        self.assertEqual([b["id"] for b in other.call("List", harness.options(directory=elsewhere))[0]], [lock])
        # For everyone else that is another directory.
        self.holder(elsewhere)


@both_doors
class OtherDirectories(harness.Case):
    def test_a_nested_worktree_is_free(self):
        place, nested = self.directory(), self.directory("project/nested")
        _, lock = self.holder(place)
        _, other = self.holder(nested)
        self.assertEqual([b["id"] for b in self.me.list()], [lock, other])

    def test_a_sibling_is_free(self):
        self.holder(self.directory("one"))
        self.holder(self.directory("two"))
        self.assertEqual(self.me.get("LockCount"), 2)

    def test_a_path_that_is_no_text(self):
        place = os.fsencode(self.directory()) + b"/caf\xe9-\xff"
        os.mkdir(place)
        agent = self.agent(place)
        lock = agent.acquire("", directory_fd=agent.open("directory", place))
        listed = self.me.lock(lock)
        self.assertEqual(bytes(listed["directory-bytes"]).rstrip(b"\0"), place)
        self.assertIn("caf", listed["directory"])
        self.assertIn("\\xe9", listed["directory"])
        told = self.me.wait_signal("LockAcquired", lock)
        self.assertEqual(bytes(told.lock["directory-bytes"]).rstrip(b"\0"), place)
        other = self.agent(place)
        self.refused("Held", other.acquire, "", directory_fd=other.open("directory", place))
        agent.die()
        self.me.wait_released(lock, "exited")

    def test_a_path_that_is_text_has_no_bytes_beside_it(self):
        _, lock = self.holder(self.directory("größe 日本"))
        self.assertNotIn("directory-bytes", self.me.lock(lock))

    def test_the_root(self):
        agent = self.agent("/")
        lock = agent.acquire("/", shared=True, detect_agents=False)
        self.assertEqual(self.me.lock(lock)["directory"], "/")
        agent.die()
        self.me.wait_released(lock, "exited")


if __name__ == "__main__":
    harness.have_mounts_of_our_own()
    harness.main()
