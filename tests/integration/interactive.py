# SPDX-License-Identifier: MIT
"""What takes a person: polkit asks for a password only where the caller's message allows it, for as long as it takes,
and meanwhile everybody else is served. polkit is a mock here (python-dbusmock), since there is nobody to type."""
import harness
import interactive_mock
import machine
from harness import options, until


class Interactive(interactive_mock.Mixin, machine.Case):
    def setUp(self):
        super().setUp()
        self.start_mock()
        self.place = self.directory(owner="alice", mode=0o777)
        self.alice, self.lock = self.holder(self.place, "alice")
        self.bob = self.agent(self.place, "bob")

    def test_without_leave_nobody_is_asked(self):
        self.refused("NotPermitted", self.bob.release, id=self.lock, force=True)
        self.assertEqual(len(self.questions()), 1)
        self.assertNotIn("UInt32(1", self.questions()[0])
        self.assertIn("org.agentctl.locks.override", self.questions()[0])
        self.assertIn("system-bus-name", self.questions()[0])

    def test_with_leave_it_takes_as_long_as_it_takes(self):
        asking = self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        # The person thinks; others work.
        other = self.directory("other", "carol")
        carol = self.agent(other, "carol")
        for _ in range(10):
            carol.release(id=carol.acquire(other))
        self.assertFalse(asking.done())
        self.assertIsNotNone(self.me.lock(self.lock))
        self.type_password()
        self.assertEqual(asking.value(), (1,))
        self.me.wait_released(self.lock, "forced")

    def test_what_was_allowed_in_the_end_was_not_refused(self):
        asking = self.bob.begin_ask("Acquire", self.place, options(conflict="steal"))
        until(self.questions, "the question")
        self.type_password()
        self.me.wait_signal("LockAcquired", asking.value()[0])
        self.assertEqual(self.me.counters()["refused"], 0)

    def test_what_was_true_when_it_was_asked_need_not_be_when_it_is_answered(self):
        asking = self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        self.alice.release(self.place)
        self.type_password()
        self.refused("NotFound", asking.value)

    def test_who_hangs_up_gets_nothing(self):
        self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        self.bob.die()
        self.type_password()
        # The next one is asked after the first was answered: the mock does one thing at a time.
        self.refused("NotPermitted", self.agent(self.place, "carol").release, id=self.lock, force=True)
        self.assertEqual(self.me.lock(self.lock)["pid"], self.alice.pid)

    def test_a_stop_does_not_wait_for_the_answer(self):
        asking = self.bob.begin_ask("Release", "", options(id=self.lock, force=True))
        until(self.questions, "the question")
        self.service.stop()
        self.assertIn("stopping", self.refused("Unavailable", asking.value).message)
        self.service.start()
        self.me = self.client()
        self.assertIsNotNone(self.me.lock(self.lock))

    def test_a_question_about_a_directory_is_never_asked(self):
        """No authority stands in for permission on a directory."""
        closed = self.directory("closed", "alice", 0o755)
        asking = self.bob.begin_ask("Acquire", closed, options(manual=True))
        self.refused("NotPermitted", asking.value)
        self.assertEqual(self.questions(), [])

    def test_reading_troubles_nobody(self):
        self.alice.acquire(self.place, reason="secret")
        asking = self.bob.begin_ask("List", {})
        self.assertNotIn("reason", asking.value()[0][0])
        self.assertNotIn("UInt32(1", "".join(self.questions()))

    def test_how_many_questions_one_user_may_have_open(self):
        """The rest are refused at once, and polkit is left to others."""
        pending = [self.bob.begin_ask("Release", "", options(id=self.lock, force=True)) for _ in range(60)]
        until(lambda: sum(each.done() for each in pending) >= 60 - 32, "the refusals")
        self.assertEqual(sum(each.done() for each in pending), 60 - 32)
        self.type_password()
        until(lambda: all(each.done() for each in pending), "the answers")
        self.assertIsNone(self.me.lock(self.lock))


if __name__ == "__main__":
    harness.main()
