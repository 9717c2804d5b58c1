// Runs before the first paint, so that the page never flashes in the wrong theme.
(() => {
  const kept = localStorage.getItem("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
  };
  apply(kept ?? (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => {
    if (!localStorage.getItem("theme")) {
      apply(dark.matches ? "dark" : "light");
      document.dispatchEvent(new Event("themechange"));
    }
  });
})();
