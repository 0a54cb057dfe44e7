"""The steps of `ics init` about the account and the seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ics import errors, model
from ics.cli.init import found, grants, keys, questions
from ics.cli.init.session import Session
from ics.cosmos import addresses
from ics.keys import keystore, passphrases


class KeySteps:
    """Asks for account and seed of one stack, and creates those that are new."""

    def __init__(
        self, session: Session, name: str, chain: found.Provider, validator: found.Validator
    ) -> None:
        """Initialize without asking.

        Args:
            session: of this run.
            name: of the stack.
            chain: the provider.
            validator: the stack's validator.
        """
        self._session = session
        self._name = name
        self._chain = chain
        self._validator = validator
        self._folder = keystore.folder(session.request.environment)
        self._typed: model.Secret | None = None

    def run(self) -> None:
        """Ask for both, check what can be refused, and create what is new.

        Raises:
            SettingsError: an answer is missing or not valid, or a file exists or cannot be written.
        """
        talk = self._session.talk
        seed = talk.ask(questions.seed(self._default_seed()))
        account = talk.ask(questions.account(self._default_account()))
        copy = self._checked_copy(seed)
        self._account(account)
        if copy is not None:
            seed = self._new_seed(copy)
        self._session.draft.put(
            "seed",
            self._source(seed, self._session.earlier.values.get("seed")),
            "all consumer keys come from it; never share it between two stacks",
        )

    # -- seed --------------------------------------------------------------------------------------

    def _default_seed(self) -> str | None:
        earlier = questions.answer_of(self._session.earlier.values.get("seed"))
        sealed = f"{self._name}-seed"
        return earlier or (f"keystore:{sealed}" if self._is_sealed(sealed) else None)

    def _checked_copy(self, seed: str) -> Path | None:
        """Return where the sealed copy of a new seed goes; None: the seed is not new."""
        if seed.startswith("keystore:"):
            keys.check_seed(self._folder, seed.removeprefix("keystore:"))
        if seed != questions.NEW:
            return None
        keystore.ensure_free(self._folder, f"{self._name}-seed")
        copy = Path(self._session.talk.ask(questions.seed_copy()))
        keys.check_copy(copy, self._session.request.root, self._folder)
        return copy

    def _new_seed(self, copy: Path) -> str:
        """Create the seed, its sealed copy first, and return the answer that names it."""
        name, session = f"{self._name}-seed", self._session
        node_id = keys.new_seed(self._folder, name, self._passphrase(), copy)
        session.talk.say(f"{name}: seed of node {node_id}, sealed copy in {copy}")
        if keys.is_same_disk(copy, self._folder):
            session.draft.notes.append(
                f"{copy} is on the same disk as the keystore: move it to another machine now"
            )
        session.draft.notes.append(
            "keep the sealed copy and the passphrase at different places; without both no key can be derived again"
        )
        return f"keystore:{name}"

    # -- account -----------------------------------------------------------------------------------

    def _default_account(self) -> str | None:
        earlier = self._session.earlier.values
        answer = questions.answer_of(earlier.get("account"))
        if answer is None and earlier and "account" not in earlier:
            return questions.NONE
        sealed = [each for each in (f"{self._name}-grantee", self._name) if self._is_sealed(each)]
        return answer or (f"keystore:{sealed[0]}" if sealed else None)

    def _account(self, answer: str) -> None:
        """Create or name the account that signs, and the operator as its granter if it is not the operator itself."""
        draft, prefix = self._session.draft, self._chain.account_prefix
        operator = addresses.reprefix(self._validator.operator_address, prefix)
        if answer == questions.NONE:
            draft.notes.append(
                f"without ics:account no transaction is sent; {operator} has to sign them by hand"
            )
            return
        source, address = self._sealed_account(answer)
        draft.put(
            "account",
            self._source(source, self._session.earlier.values.get("account")),
            "signs transactions on the provider",
        )
        granter = self._session.earlier.values.get("granter")
        if address and address != operator:
            draft.put("granter", operator, f"{address} only has the operator's grants")
            draft.notes += grants.lines(address, operator, self._chain.bond_denom)
        elif not address and isinstance(granter, str) and granter:
            draft.put("granter", granter)

    def _sealed_account(self, answer: str) -> tuple[str, str]:
        """Return the answer that names the account, which is created if it is new, and its address if that is known."""
        prefix = self._chain.account_prefix
        if answer == questions.GRANTEE:
            name = f"{self._name}-grantee"
            address = keys.new_account(self._folder, name, self._passphrase, prefix)
            self._session.talk.say(f"{name}: account {address}")
            return f"keystore:{name}", address
        if answer == questions.WORDS:
            operator_address = self._validator.operator_address
            address = keys.recovered_account(
                self._folder, self._name, self._words(), self._passphrase, operator_address
            )
            return f"keystore:{self._name}", address
        if answer.startswith("keystore:"):
            return answer, keys.address_of(self._folder, answer.removeprefix("keystore:"), prefix)
        return answer, ""

    def _words(self) -> model.Secret:
        path = self._session.request.words_file
        if path is not None:
            return keys.private_text(path, "--words-file")
        if not self._session.talk.is_asking:
            raise errors.SettingsError(
                "--words-file FILE: missing; add it, since no person can be asked for the words"
            )
        return passphrases.ask("words or hex of the operator's account: ")

    # -- both --------------------------------------------------------------------------------------

    def _is_sealed(self, name: str) -> bool:
        return name in keystore.names(self._folder)

    def _passphrase(self) -> model.Secret:
        """Return the passphrase of new keys, from its file, or typed once."""
        path = self._session.request.passphrase_file
        if path is not None:
            return keys.private_text(path, "--passphrase-file")
        if self._typed is None:
            if not self._session.talk.is_asking:
                raise errors.SettingsError(
                    "--passphrase-file FILE: missing; new keys are sealed with a passphrase, and no person can be asked"
                )
            self._typed = passphrases.prompt_new("a passphrase for the new keys: ")
        return self._typed

    def _source(self, answer: str, earlier: object) -> dict[str, Any]:
        """Return the source of a secret in the settings, with the file of its passphrase if one is known."""
        source = questions.source_of(answer)
        path = self._session.request.passphrase_file
        if "keystore" not in source:
            return source
        if path is not None:
            source["passphrase"] = {"file": str(path if str(path).startswith("~") else path.absolute())}
        elif isinstance(earlier, Mapping) and earlier.get("keystore") == source["keystore"]:
            source |= {"passphrase": earlier["passphrase"]} if "passphrase" in earlier else {}
        return source
