/**
 * Light, dark, or as the system has it. A classic script in the head, so that no page flashes in the wrong colours.
 */
(() => {
  const THEMES = ["auto", "light", "dark"];
  const system = matchMedia("(prefers-color-scheme: dark)");
  let theme = "auto";
  try {
    theme = THEMES.find((each) => each === localStorage.getItem("theme")) ?? "auto";
  } catch {
    // a browser without storage forgets the choice
  }

  const show = () => {
    const dark = theme === "dark" || (theme === "auto" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    dispatchEvent(new Event("themechange"));
  };
  show();
  system.addEventListener("change", show);

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      button.textContent = `${theme[0].toUpperCase()}${theme.slice(1)}`;
      button.setAttribute("aria-label", `${button.textContent} colours. Change`);
    };
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      show();
      label();
      try {
        localStorage.setItem("theme", theme);
      } catch {
        // as above
      }
    });
    label();
  });
})();
