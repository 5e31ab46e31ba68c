// Runs before the first paint, as a classic script: the chosen look, else the system's.
(() => {
  const choice = () => localStorage.getItem("theme") ?? "auto";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const theme = choice() === "auto" ? (dark.matches ? "dark" : "light") : choice();
    document.documentElement.dataset.bsTheme = theme;
  };
  apply();
  dark.addEventListener("change", apply);
  window.addEventListener("storage", (event) => event.key === "theme" && apply());
  document.addEventListener("theme-chosen", apply);
})();
