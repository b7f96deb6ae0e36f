"""A browser window before the console."""

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LOOKS = {"light": ("light", WIDE), "dark": ("dark", WIDE), "phone": ("light", PHONE)}


class Visitor:
    """A browser window; `faults` are what should never happen in it."""

    def __init__(self, chromium, populace, scheme, size):
        self.url, self.faults = populace.url, []
        self.context = chromium.new_context(color_scheme=scheme, viewport=size, locale="de-AT")
        self.page = self.context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.pending = {}
        self.page.on("request", self._look)
        for end in ("requestfinished", "requestfailed"):
            self.page.on(end, lambda request: self.pending.pop(request, None))

    def settle(self):
        """Wait until everything has come."""
        try:
            self.page.wait_for_load_state("networkidle", timeout=15_000)
        except Exception as error:
            raise AssertionError(f"waits for {[request.url for request in self.pending]}") from error

    def _look(self, request):
        self.pending[request] = True
        if not request.url.startswith((self.url, "data:")):
            self.faults.append(f"asked elsewhere: {request.url}")

    def go(self, path):
        self.page.goto(self.url + path)
        self.settle()

    def sign_in(self, populace):
        credentials = populace.credentials()
        self.go("/")
        self.page.get_by_label("E-mail or user name").fill(credentials["POPULACE_ADMIN_EMAIL"])
        self.page.get_by_label("Password").fill(credentials["POPULACE_ADMIN_PASSWORD"])
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/console/users/user/")
        self.settle()

    def overflows(self):
        """Tell whether the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
